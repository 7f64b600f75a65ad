import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

// What the guard shows an app otherwise than it is, are properties of its own. Some objects take none.

const SEALS = [Object.preventExtensions, Object.seal];

const FAILURES: Record<string, RequestListener> = {
  "destroys it": (_request, response) => void response.destroy(),
  "destroys its socket": (request) => void request.socket.destroy(),
  throws: () => {
    throw new Error("failed");
  },
  "ends it, which Node cannot": (_request, response) => void response.end("ok"),
};

describe.each(SEALS)("a response behind Object.%o", (seal) => {
  it.each(Object.entries(FAILURES))("is answered in the place of an app that %s", async (_what, fail) => {
    const guard = createGuard({ logger: false });
    const server = createServer((request, response) => {
      seal(response);
      fail(request, response);
    });
    guard.attach(server);
    const { responses, problems } = await exchange(await listen(server), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(problems).toEqual([]);
    expect(responses.map(({ status }) => status)).toEqual([500]);
    await expect.poll(() => guard.stats().inFlight).toBe(0);
    guard.close();
  });
});

describe.each(SEALS)("a request behind Object.%o", (seal) => {
  it("is told of a client that leaves in the middle of it", async () => {
    const told: string[] = [];
    const guard = createGuard({ logger: false });
    const server = createServer((request) => {
      request.on("error", ({ message }) => told.push(message)).on("close", () => told.push("close"));
      seal(request.resume());
    });
    guard.attach(server);
    await once(server.listen(0, "127.0.0.1"), "listening");
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1").resume();
    socket.end("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    await expect.poll(() => told).toEqual(["aborted", "close"]);
    await expect.poll(() => guard.stats().inFlight).toBe(0);
    guard.close();
    server.close();
  });
});
