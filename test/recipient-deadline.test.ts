import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createGuard, type GuardOptions } from "../src/index.js";
import type { RequestRecord } from "../src/report/log.js";
import { listen } from "./testing/servers.js";

type Line = RequestRecord & { code?: string; message: string; prevented: unknown };

async function serve(listener: RequestListener, options: GuardOptions = {}) {
  const lines: Line[] = [];
  const note = (record: object, message: string) => void lines.push({ ...record, message } as Line);
  const logger = { info: note, warn: note, error: note };
  const guard = createGuard({ logger, firstByteDeadlineMs: 200, idleDeadlineMs: 200, ...options });
  const server = await listen(guard.attach(createServer(listener)));
  const requests = () => lines.filter(({ message }) => message === "request");
  const incidents = () => lines.filter(({ message }) => message === "incident").map(({ code }) => code);
  return { guard, server, requests, incidents };
}

/** Sends a request and reads nothing until `resume()`; counts octets. */
async function visit(server: Server, request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n") {
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const seen = { octets: 0, error: undefined as unknown };
  socket.on("error", (error) => {
    seen.error = error;
  });
  await once(socket, "connect");
  socket.pause();
  socket.write(request);
  const closed = once(socket, "close");
  return {
    socket,
    seen,
    closed,
    resume() {
      socket.on("data", (chunk) => {
        seen.octets += chunk.byteLength;
      });
      socket.resume();
    },
  };
}

const CONTENT = Buffer.alloc(30_000_000, "x");

/** Ways for an app to hand over more than a paused recipient takes. */
const WRITERS: [how: string, listener: RequestListener][] = [
  ["whole", (_request, response) => void response.end(CONTENT)],
  [
    "in chunks",
    (_request, response) => {
      for (let n = 0; n < CONTENT.length; n += 1_000_000) response.write(CONTENT.subarray(n, n + 1_000_000));
      response.end();
    },
  ],
  [
    "with heed to back pressure",
    async (_request, response) => {
      response.writeHead(200, { "Content-Length": CONTENT.length });
      for (let n = 0; n < CONTENT.length; n += 1_000_000)
        if (!response.write(CONTENT.subarray(n, n + 1_000_000))) await once(response, "drain");
      response.end();
    },
  ],
];

describe("a recipient that pauses longer than the deadlines of the app", () => {
  it.each(WRITERS)("gets everything, written %s", async (_how, listener) => {
    const { server, guard, requests, incidents } = await serve(listener);
    const visitor = await visit(server);
    await wait(900);
    visitor.resume();
    await expect.poll(() => visitor.seen.octets, { timeout: 5_000 }).toBeGreaterThan(CONTENT.length);
    await expect.poll(() => requests()).toHaveLength(1);
    expect(requests()[0]).toMatchObject({ outcome: "intact" });
    expect(requests()[0]?.octets).toBeGreaterThanOrEqual(CONTENT.length);
    expect(incidents()).toEqual([]);
    expect(guard.stats().inFlight).toBe(0);
    visitor.socket.destroy();
  });

  it("gets the rest of the app's own time once it reads again", async () => {
    const { server, incidents } = await serve(
      async (_request, response) => {
        response.write(CONTENT);
        await once(response, "drain");
        await wait(120);
        response.end("the end");
      },
      { holdBackOctets: 0, idleDeadlineMs: 400 },
    );
    const visitor = await visit(server);
    await wait(900);
    visitor.resume();
    await expect.poll(() => visitor.seen.octets, { timeout: 5_000 }).toBeGreaterThan(CONTENT.length + 7);
    expect(incidents()).toEqual([]);
    visitor.socket.destroy();
  });
});

it("leaves an app that stalls behind a recipient that paused no more time than any other", async () => {
  const { server, incidents } = await serve((_request, response) => void response.write(CONTENT));
  const visitor = await visit(server);
  await wait(150);
  visitor.resume();
  expect(await Promise.race([visitor.closed.then(() => "cut"), wait(3_000, "open")])).toBe("cut");
  expect(visitor.seen.octets).toBeGreaterThan(CONTENT.length);
  expect(incidents()).toEqual(["MC-10"]);
});

describe("a recipient that takes nothing for recipientDeadlineMs", () => {
  it.each(WRITERS)("is cut, by its own name and with the octets that left, written %s", async (_how, listener) => {
    const { server, guard, requests, incidents } = await serve(listener, {
      recipientDeadlineMs: 400,
      firstByteDeadlineMs: 5_000,
      idleDeadlineMs: 5_000,
    });
    const visitor = await visit(server);
    await expect.poll(() => requests(), { timeout: 3_000 }).toHaveLength(1);
    const [line] = requests();
    expect(line).toMatchObject({ outcome: "torn down", incident: "RECIPIENT_DEADLINE" });
    expect(incidents()).toEqual(["RECIPIENT_DEADLINE"]);
    expect(guard.stats().prevented).toEqual({ "520": 0, "522": 0, "524": 0 });
    visitor.resume();
    await visitor.closed;
    // What had reached the client when the connection was cut may be dropped by its own system.
    expect(line?.octets).toBeGreaterThanOrEqual(visitor.seen.octets - 1_000);
    expect(line?.octets).toBeLessThan(CONTENT.length);
    expect(line?.octets).toBeGreaterThan(0);
  });

  it("is left alone where there is no limit", async () => {
    const { server, requests } = await serve((_request, response) => void response.end(CONTENT), {
      recipientDeadlineMs: false,
    });
    const visitor = await visit(server);
    await wait(900);
    expect(requests()).toEqual([]);
    visitor.socket.destroy();
    await expect.poll(() => requests()).toHaveLength(1);
    expect(requests()[0]).toMatchObject({ outcome: "client gone" });
    expect(requests()[0]?.octets).toBeLessThan(CONTENT.length);
  });

  it("is only reported in report mode", async () => {
    const { server, incidents } = await serve((_request, response) => void response.end(CONTENT), {
      recipientDeadlineMs: 200,
      mode: "report",
    });
    const visitor = await visit(server);
    await expect.poll(() => incidents()).toEqual(["RECIPIENT_DEADLINE"]);
    await wait(300);
    visitor.resume();
    await expect.poll(() => visitor.seen.octets, { timeout: 5_000 }).toBeGreaterThan(CONTENT.length);
    expect(incidents()).toEqual(["RECIPIENT_DEADLINE"]);
    visitor.socket.destroy();
  });

  it("is not one whose response waits behind another", async () => {
    const { server, incidents } = await serve(
      async (request, response) => {
        if (request.url === "/first") await wait(700);
        response.end(request.url);
      },
      { recipientDeadlineMs: 200, firstByteDeadlineMs: 5_000 },
    );
    const visitor = await visit(
      server,
      "GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    visitor.resume();
    await visitor.closed;
    expect(visitor.seen.octets).toBeGreaterThan(200);
    expect(incidents()).toEqual([]);
  });
});

it("counts what left where the client goes away in the middle", async () => {
  const { server, requests } = await serve((_request, response) => void response.end(CONTENT));
  const visitor = await visit(server);
  await wait(100);
  visitor.socket.resetAndDestroy();
  await expect.poll(() => requests()).toHaveLength(1);
  expect(requests()[0]).toMatchObject({ outcome: "client gone" });
  expect(requests()[0]?.octets).toBeLessThan(CONTENT.length);
});
