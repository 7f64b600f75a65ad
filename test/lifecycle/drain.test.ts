import { once } from "node:events";
import { createServer } from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createGuard } from "../../src/index.js";
import { exchange } from "../../src/testing/index.js";
import { listen } from "../testing/servers.js";
import { Load } from "./load.js";
import type { OriginName } from "./origin.js";
import { ORIGINS, type OriginProcess, startOrigin } from "./processes.js";

// A deploy, for real: processes, signals, and clients that keep their connections. What is owed is sent (MC-11).

const SIGTERM_CODE = 143;

/** Each of them with its own process, one after the other; the long way on one version of Node. */
const IN_A_ROW = process.env.RAYGUARD_TESTS === "of-this-node" ? 5 : 20;

async function endUnderLoad(name: OriginName, end: (origin: OriginProcess) => void): Promise<number | null> {
  const origin = await startOrigin(name);
  const load = new Load(origin.port);
  await load.steady();
  expect(load.fates.length).toBeGreaterThan(50);
  const startedAt = performance.now();
  end(origin);
  await load.over();
  const { code } = await origin.gone;
  expect(load.failures).toEqual([]);
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  expect(origin.messages).toContain("drained");
  return code;
}

describe("under load from 50 kept connections", () => {
  it.each(ORIGINS)("%s answers every request before it ends on SIGTERM", { timeout: 30_000 }, async (name) => {
    expect(await endUnderLoad(name, ({ child }) => child.kill("SIGTERM"))).toBe(SIGTERM_CODE);
  });

  it(`does so ${IN_A_ROW} times in a row`, { timeout: 120_000 }, async () => {
    for (let n = 0; n < IN_A_ROW; n++)
      expect(await endUnderLoad("node", ({ child }) => child.kill("SIGTERM"))).toBe(SIGTERM_CODE);
  });

  it(`Fastify does so ${IN_A_ROW} times in a row on close()`, { timeout: 120_000 }, async () => {
    for (let n = 0; n < IN_A_ROW; n++)
      expect(await endUnderLoad("fastify", ({ child }) => child.send("close"))).toBe(0);
  });

  it.each(["guarded", "bare"] as const)("a reload of two cluster workers, %s", { timeout: 60_000 }, async (kind) => {
    const origin = await startOrigin("node", kind === "guarded", {}, "cluster.ts");
    const load = new Load(origin.port);
    await load.steady();
    origin.child.send("reload");
    await origin.told("reloaded");
    await wait(300);
    await load.stop();
    const pids = new Set(load.fates.map((fate) => (fate.kind === "complete" ? fate.text : "")));
    expect(pids.size).toBeGreaterThanOrEqual(3);
    if (kind === "guarded") {
      expect(load.fates.filter(({ kind }) => kind !== "complete")).toEqual([]);
      await origin.told("exit 0", 2);
    } else {
      // Bare, idle connections are destroyed under the client, and the others keep the old workers alive.
      const exits = origin.messages.filter((message) => message === "exit 0").length;
      expect(load.failures.length > 0 || exits < 2).toBe(true);
    }
    origin.child.send("end");
  });
});

it("loses requests on SIGTERM without the guard", { timeout: 30_000 }, async () => {
  const origin = await startOrigin("node", false);
  const load = new Load(origin.port);
  await load.steady();
  origin.child.kill("SIGTERM");
  await load.over();
  expect(load.failures.length).toBeGreaterThan(0);
});

it("ends at once on a second signal, and answers what it can", { timeout: 30_000 }, async () => {
  const origin = await startOrigin("node");
  const hanging = exchange({ port: origin.port }, { path: "/hang" });
  await origin.told("hangs");
  origin.child.kill("SIGTERM");
  await wait(1_050);
  expect(origin.child.exitCode).toBe(null);
  origin.child.kill("SIGTERM");
  expect((await origin.gone).code).toBe(SIGTERM_CODE);
  expect((await hanging).responses[0]?.status).toBe(503);
});

it("gives what is left at graceMs a complete 503, or a visible cut", { timeout: 30_000 }, async () => {
  const origin = await startOrigin("node", true, { shutdown: { graceMs: 400 } });
  const hanging = exchange({ port: origin.port }, { path: "/hang" });
  const streaming = exchange({ port: origin.port }, { path: "/stream" });
  await origin.told("hangs", 2);
  await wait(50);
  origin.child.kill("SIGTERM");
  const { responses, problems } = await hanging;
  expect(problems).toEqual([]);
  expect(responses[0]?.status).toBe(503);
  expect((await streaming).valid).toBe(false);
  expect((await origin.gone).code).toBe(SIGTERM_CODE);
});

it("leaves the decision to an app with a listener of its own", { timeout: 30_000 }, async () => {
  const origin = await startOrigin("node");
  origin.child.send("own SIGTERM");
  await origin.told("ready");
  origin.child.kill("SIGTERM");
  await origin.told("own listener");
  await origin.told("drained");
  const { responses } = await exchange({ port: origin.port }, { path: "/" });
  expect(responses[0]?.status).toBe(200);
  expect(responses[0]?.closes).toBe(true);
  expect(origin.child.exitCode).toBe(null);
});

it("ends on PM2's word, with code 0", { timeout: 30_000 }, async () => {
  const origin = await startOrigin("node", true, {}, "origin.ts", { pm_id: "0" });
  const slow = exchange({ port: origin.port }, { path: "/slow" });
  await wait(50);
  origin.child.send("shutdown");
  expect((await slow).responses[0]?.status).toBe(200);
  expect((await origin.gone).code).toBe(0);
});

it("fails readiness first, and serves on for lameDuckMs", { timeout: 30_000 }, async () => {
  const origin = await startOrigin("node", true, { shutdown: { lameDuckMs: 600 } });
  origin.child.kill("SIGTERM");
  await wait(100);
  const { responses } = await exchange({ port: origin.port }, [{ path: "/health" }, { path: "/" }, { path: "/" }]);
  expect(responses.map(({ status }) => status)).toEqual([503, 200, 200]);
  expect(responses[0]?.text()).toContain("draining");
  expect((await origin.gone).code).toBe(SIGTERM_CODE);
});

it("runs the hooks in order, and leaves one behind that takes too long", { timeout: 30_000 }, async () => {
  const guard = createGuard({ logger: false });
  const order: string[] = [];
  guard.onDrained(async () => {
    await wait(20);
    order.push("first");
  });
  guard.onDrained(() => new Promise(() => {}), { timeoutMs: 30 });
  guard.onDrained(() => {
    throw new Error("a hook that fails");
  });
  guard.onDrained(() => void order.push("last"));
  await guard.drain();
  expect(order).toEqual(["first", "last"]);
  expect(guard.state).toBe("draining");
  guard.close();
});

it("tells WebSockets to go away, and aborts the signal of their request", { timeout: 30_000 }, async () => {
  const guard = createGuard({ logger: false });
  let reason: unknown;
  const server = guard.attach(createServer()).on("upgrade", (request, socket) => {
    request.rayguard?.signal.addEventListener("abort", () => {
      reason = request.rayguard?.signal.reason;
    });
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    socket.on("end", () => socket.end());
  });
  await listen(server);
  const client = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
  client.write("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  await once(client, "data");
  const drained = guard.drain({ graceMs: 5_000 });
  const [frame] = (await once(client, "data")) as [Buffer];
  expect([...frame]).toEqual([0x88, 0x02, 0x03, 0xe9]);
  client.end();
  await drained;
  expect(reason).toMatchObject({ code: "ERR_RAYGUARD_DRAINING" });
  guard.close();
});

it("tells a WebSocket that opens while it drains", { timeout: 30_000 }, async () => {
  const guard = createGuard({ logger: false });
  const waiting: (() => void)[] = [];
  const server = guard.attach(createServer()).on("upgrade", (_request, socket) => {
    waiting.push(() =>
      socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
    );
    socket.on("end", () => socket.end());
  });
  await listen(server);
  const client = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
  client.write("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  await expect.poll(() => waiting).toHaveLength(1);
  const drained = guard.drain({ graceMs: 5_000 });
  await expect.poll(() => server.listening).toBe(false);
  await wait(100);
  waiting[0]?.();
  const octets: Buffer[] = [];
  client.on("data", (chunk) => octets.push(chunk));
  await expect.poll(() => Buffer.concat(octets).subarray(-4).toString("hex")).toBe("880203e9");
  client.end();
  await drained;
  guard.close();
});

it("waits for no connection of another protocol on which nobody reads, and all is said", {
  timeout: 30_000,
}, async () => {
  const guard = createGuard({ logger: false });
  const server = guard.attach(createServer()).on("connect", (_request, socket) => {
    // As a pipe leaves it whose other end has closed.
    socket.pause().end("HTTP/1.1 200 Established\r\n\r\nall");
  });
  await listen(server);
  const client = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
  client.on("data", () => client.write("what nobody reads"));
  client.write("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");
  await once(client, "close");
  const startedAt = performance.now();
  await guard.drain({ graceMs: 20_000 });
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  guard.close();
});

it("sends GOAWAY to HTTP/2 and finishes its streams", { timeout: 30_000 }, async () => {
  const guard = createGuard({ logger: false });
  const server = guard.attach(
    http2.createServer((_request, response) => void setTimeout(() => response.end("late"), 600)),
  );
  await listen(server);
  const client = http2.connect(`http://127.0.0.1:${(server.address() as net.AddressInfo).port}`);
  const goaway = once(client, "goaway");
  const stream = client.request({ ":path": "/" });
  const response = once(stream, "response");
  await wait(50);
  const drained = guard.drain();
  await goaway;
  const [headers] = (await response) as [Record<string, unknown>];
  expect(headers[":status"]).toBe(200);
  stream.resume();
  await once(stream, "close");
  expect(stream.rstCode).toBe(0);
  await drained;
  client.destroy();
  guard.close();
});

it("leaves no listener on the process behind", async () => {
  const events = ["SIGTERM", "SIGINT", "SIGHUP", "uncaughtException", "exit", "message", "disconnect"];
  const before = events.map((event) => process.listenerCount(event));
  const { kill } = process;
  const guards = [createGuard({ logger: false }), createGuard({ logger: false })];
  for (const guard of guards) guard.attach(createServer());
  expect(process.listenerCount("SIGTERM")).toBe((before[0] as number) + 1);
  for (const guard of guards) guard.close();
  expect(events.map((event) => process.listenerCount(event))).toEqual(before);
  expect(process.kill).toBe(kill);
});

it("stays out of the process where shutdown and crash are off, or the guard only reports", () => {
  const before = process.listenerCount("SIGTERM") + process.listenerCount("uncaughtException");
  const guards = [
    createGuard({ logger: false, shutdown: false, crash: false }),
    createGuard({ logger: false, mode: "report" }),
  ];
  for (const guard of guards) guard.attach(createServer());
  expect(process.listenerCount("SIGTERM") + process.listenerCount("uncaughtException")).toBe(before);
  for (const guard of guards) guard.close();
});
