import { createServer, type RequestListener } from "node:http";
import { describe, expect, it } from "vitest";
import { createGuard } from "../../src/index.js";
import { exchange } from "../../src/testing/index.js";
import { listen } from "../testing/servers.js";

const failing: RequestListener = (request, response) => {
  if (request.url === "/drop") response.destroy();
  else if (request.url === "/throw") throw new Error("no");
  else if (request.url === "/cut") response.write(Buffer.alloc(100_000), () => response.destroy());
  // any other request waits for its deadline
};

describe("a guard that has answered for its app", () => {
  it("counts what the edge would have shown, by code and status", async () => {
    const guard = createGuard({ logger: false, firstByteDeadlineMs: 30 });
    const server = await listen(guard.attach(createServer(failing)));
    for (const path of ["/drop", "/drop", "/throw", "/cut", "/never"]) await exchange(server, { path });
    const stats = guard.stats();
    expect(stats.preventedByCode).toEqual({
      "MC-2": { "520": 2 },
      HANDLER_ERROR: { "520": 1 },
      "MC-10": { "524": 1 },
    });
    // A response that could only be torn down is an incident, and nothing was prevented.
    expect(stats.incidents["MC-2"]).toBe(3);
    expect(stats.prevented).toEqual({ "520": 3, "522": 0, "524": 1 });
  });

  it("hands out copies", async () => {
    const guard = createGuard({ logger: false });
    const server = await listen(guard.attach(createServer(failing)));
    await exchange(server, { path: "/drop" });
    const before = guard.stats();
    await exchange(server, { path: "/drop" });
    expect(before.preventedByCode).toEqual({ "MC-2": { "520": 1 } });
    expect(guard.stats().preventedByCode).toEqual({ "MC-2": { "520": 2 } });
  });
});

describe("a guard that only reports", () => {
  it("counts nothing as prevented", async () => {
    const guard = createGuard({ logger: false, mode: "report" });
    const server = await listen(guard.attach(createServer(failing)));
    await exchange(server, { path: "/drop" });
    expect(guard.stats()).toMatchObject({ incidents: { "MC-2": 1 }, preventedByCode: {} });
  });
});

describe("the state", () => {
  it("is that of the guard", async () => {
    const guard = createGuard({ logger: false });
    await listen(guard.attach(createServer(failing)));
    expect(guard.stats().state).toBe("serving");
    const drained = guard.drain({ graceMs: 1_000 });
    expect(guard.stats().state).toBe("draining");
    await drained;
    guard.close();
    expect(guard.stats().state).toBe("closed");
  });
});
