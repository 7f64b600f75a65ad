import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { exchange } from "../../src/testing/index.js";
import { Load } from "./load.js";
import type { OriginName } from "./origin.js";
import { ORIGINS, startOrigin } from "./processes.js";

// Crashes, for real: the process is gone afterwards, as Node would have had it, and no request went with it.

const TIMEOUT = { timeout: 30_000 };

describe.each(ORIGINS)("%s under load", (name) => {
  it("answers the request that throws from a timer, and everybody else", TIMEOUT, async () => {
    const origin = await startOrigin(name);
    const load = new Load(origin.port);
    await load.steady();
    const { responses, problems } = await exchange({ port: origin.port }, { path: "/throw-timer" });
    await load.over();
    const { code } = await origin.gone;
    expect(problems).toEqual([]);
    expect(responses[0]?.status).toBe(500);
    expect(load.failures).toEqual([]);
    expect(Object.keys(load.statuses()).every((status) => status === "200" || status === "503")).toBe(true);
    expect(code).toBe(1);
    expect(origin.stderr()).toMatch(
      /origin\.mjs:\d+\n.*throw new TypeError\("thrown from a timer"\);\n *\^\n\nTypeError: thrown from a timer\n {4}at .*\n[\s\S]*\nNode\.js v\d+/,
    );
  });
});

it("loses every request without the guard", TIMEOUT, async () => {
  const origin = await startOrigin("node", false);
  const load = new Load(origin.port);
  await load.steady();
  const { responses } = await exchange({ port: origin.port }, { path: "/throw-timer" });
  await load.over();
  expect(responses).toEqual([]);
  expect(load.failures.length).toBeGreaterThan(0);
  expect((await origin.gone).code).toBe(1);
});

const SOURCES = ["/throw-tick", "/throw-emitter", "/reject", "/throw-end"];

describe.each(["node", "express5", "fastify"] as const)("%s", (name: OriginName) => {
  it.each(SOURCES)("answers 500 at once to %s, and lets another request finish", TIMEOUT, async (path) => {
    const origin = await startOrigin(name);
    const slow = exchange({ port: origin.port }, { path: "/slow" });
    await wait(50);
    const startedAt = performance.now();
    const culprit = await exchange({ port: origin.port }, { path });
    expect(culprit.responses[0]?.status).toBe(500);
    expect(performance.now() - startedAt).toBeLessThan(200);
    expect((await slow).responses[0]?.text()).toBe("slow");
    expect((await origin.gone).code).toBe(1);
    expect(origin.stderr()).toContain("TypeError");
  });
});

it("answers the stream of HTTP/2 that throws from a timer", TIMEOUT, async () => {
  const origin = await startOrigin("node:http2");
  const client = http2.connect(`http://127.0.0.1:${origin.port}`);
  client.on("error", () => {});
  const stream = client.request({ ":path": "/throw-timer" });
  const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
  expect(headers[":status"]).toBe(500);
  client.destroy();
  expect((await origin.gone).code).toBe(1);
});

it("answers the very first request, to a guard that is not attached yet", TIMEOUT, async () => {
  const origin = await startOrigin("listener, not attached");
  const startedAt = performance.now();
  const { responses } = await exchange({ port: origin.port }, { path: "/throw-timer" });
  expect(responses[0]?.status).toBe(500);
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  expect((await origin.gone).code).toBe(1);
});

it("refuses new requests with 503 while the others finish, and says so in its health", TIMEOUT, async () => {
  const origin = await startOrigin("node");
  // A connection that is there already: the listener closes.
  const slow = exchange({ port: origin.port }, { path: "/slow" });
  const kept = exchange({ port: origin.port }, [{ path: "/" }, { path: "/health" }], {
    writes: { chunkOctets: 45, delayMs: 120 },
    pipeline: true,
  });
  await wait(20);
  await exchange({ port: origin.port }, { path: "/throw-timer" });
  const [health] = (await kept).responses.slice(-1);
  expect(health?.status).toBe(503);
  expect((await slow).responses[0]?.status).toBe(200);
  await origin.gone;
});

it("ends at once on a second fault that is of no request", TIMEOUT, async () => {
  const origin = await startOrigin("node");
  const hanging = exchange({ port: origin.port }, { path: "/hang" });
  await origin.told("hangs");
  const startedAt = performance.now();
  await exchange({ port: origin.port }, { path: "/throw-timer" });
  origin.child.send("throw");
  expect((await origin.gone).code).toBe(1);
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  expect((await hanging).responses[0]?.status).toBe(503);
  expect(origin.stderr()).toContain("thrown from a timer");
  expect(origin.stderr()).toContain("thrown while idle");
});

it("lets the others finish on a second fault of a request that is answered", TIMEOUT, async () => {
  const origin = await startOrigin("node");
  const slow = exchange({ port: origin.port }, { path: "/slow" });
  await exchange({ port: origin.port }, { path: "/throw-twice" });
  expect((await slow).responses[0]?.status).toBe(200);
  expect((await origin.gone).code).toBe(1);
  expect(origin.stderr()).toContain("the first one");
  expect(origin.stderr()).toContain("the second one");
});

it("is not slowed down by a grace period with nothing in flight", TIMEOUT, async () => {
  const origin = await startOrigin("node");
  const startedAt = performance.now();
  origin.child.send("throw");
  expect((await origin.gone).code).toBe(1);
  expect(performance.now() - startedAt).toBeLessThan(500);
  expect(origin.stderr()).toContain("thrown while idle");
});

it("leaves the process to a listener of the app, and answers the culprit all the same", TIMEOUT, async () => {
  const origin = await startOrigin("node");
  origin.child.send("own uncaughtException");
  await origin.told("ready");
  const { responses } = await exchange({ port: origin.port }, { path: "/throw-timer" });
  expect(responses[0]?.status).toBe(500);
  await origin.told("own listener");
  await origin.told("monitor");
  const again = await exchange({ port: origin.port }, { path: "/" });
  expect(again.responses[0]?.status).toBe(200);
  expect(origin.child.exitCode).toBe(null);
});

it("leaves Node's behaviour alone with crash: false, but for the answers on the way out", TIMEOUT, async () => {
  const origin = await startOrigin("node", true, { crash: false });
  const hanging = exchange({ port: origin.port }, { path: "/hang" });
  await origin.told("hangs");
  await exchange({ port: origin.port }, { path: "/throw-timer" });
  expect((await origin.gone).code).toBe(1);
  expect((await hanging).responses[0]?.status).toBe(503);
});

describe.each(ORIGINS)("%s and process.exit()", (name) => {
  it("answers 50 requests that wait", TIMEOUT, async () => {
    const origin = await startOrigin(name);
    const waiting = Array.from({ length: 50 }, () => exchange({ port: origin.port }, { path: "/hang" }));
    await origin.told("hangs", 50);
    const own = await exchange({ port: origin.port }, { path: "/exit?code=3" });
    const results = await Promise.all(waiting);
    expect(results.map(({ responses }) => responses[0]?.status)).toEqual(Array(50).fill(503));
    expect(results.flatMap(({ problems }) => problems)).toEqual([]);
    expect(own.responses[0]?.status).toBe(503);
    expect((await origin.gone).code).toBe(3);
  });
});

it("breaks a response visibly that is partly out when the process exits", TIMEOUT, async () => {
  const origin = await startOrigin("node");
  const streaming = exchange({ port: origin.port }, { path: "/stream" });
  await origin.told("hangs");
  await wait(60);
  await exchange({ port: origin.port }, { path: "/exit" });
  const { valid, responses } = await streaming;
  expect(valid).toBe(false);
  expect(responses[0]?.complete).toBe(false);
});

it("answers nobody on process.exit() without the guard", TIMEOUT, async () => {
  const origin = await startOrigin("node", false);
  const hanging = exchange({ port: origin.port }, { path: "/hang" });
  await origin.told("hangs");
  await exchange({ port: origin.port }, { path: "/exit" });
  expect((await hanging).responses).toEqual([]);
});

it("keeps no request alive that is over, however long its connection stays idle", TIMEOUT, async () => {
  const origin = await startOrigin("node", true, {}, "kept-origin.ts");
  const socket = net.connect(origin.port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await once(socket, "data");
  await origin.told("collected");
  socket.destroy();
});
