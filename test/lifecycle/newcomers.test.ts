import { once } from "node:events";
import { createServer } from "node:http";
import net from "node:net";
import { describe, expect, it } from "vitest";
import { AcceptQueue } from "../../src/shutdown/accept-queue.js";
import { closeListeners } from "../../src/shutdown/close-listeners.js";
import { takeLastPlace } from "../../src/shutdown/last-place.js";
import { listen } from "../testing/servers.js";
import { Load } from "./load.js";
import type { OriginName } from "./origin.js";
import { type OriginProcess, startOrigin } from "./processes.js";

// The end of a listener at which somebody always waits: a new connection for each request.

const TIMEOUT = { timeout: 60_000 };
const CLIENTS = 100;

/** @returns how many requests were lost; those that are refused can be sent elsewhere */
async function loseOf(name: OriginName, isGuarded: boolean, end: (origin: OriginProcess) => void): Promise<number> {
  const origin = await startOrigin(name, isGuarded);
  const load = new Load(origin.port, {
    connections: CLIENTS,
    pauseMs: 0,
    headers: () => ({ Connection: "close" }),
  });
  await load.steady();
  end(origin);
  await load.over();
  await origin.gone;
  expect(load.fates.length).toBeGreaterThan(2 * CLIENTS);
  return load.failures.length;
}

const ENDS: [OriginName, string, (origin: OriginProcess) => void][] = [
  ["node", "SIGTERM", ({ child }) => child.kill("SIGTERM")],
  ["express5", "SIGTERM", ({ child }) => child.kill("SIGTERM")],
  ["fastify", "SIGTERM", ({ child }) => child.kill("SIGTERM")],
  ["fastify", "close()", ({ child }) => child.send("close")],
];

describe("a new connection for each request", () => {
  it.each(ENDS)("of %s: hardly any is reset on %s, where bare all that wait are", TIMEOUT, async (name, how, end) => {
    const guarded = await loseOf(name, true, end);
    // A machine that is very busy may answer the guard's own connection too late.
    expect(guarded).toBeLessThanOrEqual(1);
    if (name === "node" && how === "SIGTERM")
      expect(await loseOf(name, false, end)).toBeGreaterThan(10 * (guarded + 1));
  });
});

const ONLY_LINUX = it.runIf(process.platform === "linux");

describe.each(["127.0.0.1", "0.0.0.0", "::1", "::"])("a listener at %s that nobody comes to", (host) => {
  ONLY_LINUX("is closed at once, and the app sees no connection", async () => {
    let connections = 0;
    const server = createServer().on("connection", () => connections++);
    server.listen(0, host);
    await once(server, "listening");
    await closeListeners([server], "in a quiet moment", performance.now() + 10_000);
    expect(server.listening).toBe(false);
    await once(server, "close");
    expect(connections).toBe(0);
  });
});

describe("the accept queue", () => {
  ONLY_LINUX("takes nobody while its last place is taken", async () => {
    const server = await listen(createServer());
    const queue = AcceptQueue.of(server as object, false);
    (server as unknown as { _handle: { listen(backlog: number): void } })._handle.listen(0);
    const { socket, taken } = await takeLastPlace(server);
    expect(taken).toBe(true);
    const late = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1").on("error", () => {});
    await new Promise<void>((resolve) => process.nextTick(resolve));
    expect(queue?.length()).toBe(1);
    for (const one of [socket, late]) one.destroy();
  });

  ONLY_LINUX("is found on a host with many listeners", async () => {
    const servers = await Promise.all(Array.from({ length: 60 }, () => listen(createServer())));
    const queues = servers.map((server) => AcceptQueue.of(server as object, false));
    expect(queues.map((queue) => queue?.length())).toEqual(servers.map(() => 0));
    for (const server of servers) server.close();
  });

  ONLY_LINUX("is read from the system, as long as the process takes nobody", async () => {
    const server = await listen(createServer());
    const queue = AcceptQueue.of(server as object, false);
    expect(queue?.length()).toBe(0);
    const { port } = server.address() as net.AddressInfo;
    const sockets = [1, 2, 3].map(() => net.connect(port, "127.0.0.1").on("error", () => {}));
    // Node begins to connect in the next tick; the event loop has had no turn then.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    expect(queue?.length()).toBe(3);
    for (const socket of sockets) socket.destroy();
  });
});
