import { fork } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import Fastify from "fastify";
import { describe, expect, it } from "vitest";
import { rayguard } from "../../adapters/fastify.js";
import { exchange } from "../../src/testing/index.js";

const WAITING = 10_000;
const DEADLINE_MS = 10_000;
/** Below this error, or 1 % of the deadline, in milliseconds. */
const ERROR_MS = Math.max(100, DEADLINE_MS / 100);
/**
 * Connections opened at once, and the pause behind them: within half the deadline, and no faster than needed, since the
 * answers come at the same rate, and what is measured must not be a core that is full.
 */
const BATCH = 100;
const PAUSE_MS = 45;

it("keeps the deadline of 10 000 waiting requests, each on a connection of its own", {
  timeout: 30_000,
  retry: 2,
}, async () => {
  const child = fork(fileURLToPath(new URL("waiting.ts", import.meta.url)), [String(DEADLINE_MS)], {
    execArgv: ["--import", "tsx"],
  });
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  const statuses = new Map<string, number>();
  const sockets: net.Socket[] = [];
  for (let n = 0; n < WAITING; n += BATCH) {
    for (let i = 0; i < BATCH; i++) {
      const socket = net.connect(port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
      socket.once("data", (octets) => {
        const line = octets.toString("latin1", 9, 12);
        statuses.set(line, (statuses.get(line) ?? 0) + 1);
      });
      socket.on("error", () => statuses.set("error", (statuses.get("error") ?? 0) + 1));
      sockets.push(socket);
    }
    await wait(PAUSE_MS);
  }
  await wait(DEADLINE_MS + 1_000);
  const told = once(child, "message");
  child.send("result");
  const [result] = (await told) as [{ count: number; least: number; most: number; outcomes: Record<string, number> }];
  for (const socket of sockets) socket.destroy();
  child.disconnect();
  await once(child, "exit");
  expect(Object.fromEntries(statuses)).toEqual({ 503: WAITING });
  expect(result.outcomes.replaced).toBe(WAITING);
  expect(result.least).toBeGreaterThan(-5);
  expect(result.most).toBeLessThan(ERROR_MS);
});

describe("beside handlerTimeout of Fastify", () => {
  async function serve(handlerTimeout: number, firstByteDeadlineMs: number) {
    const app = Fastify();
    await app.register(rayguard, { logger: false, firstByteDeadlineMs });
    const reasons: { signal: unknown; own: unknown } = { signal: undefined, own: undefined };
    app.get("/", { handlerTimeout }, (request) => {
      request.signal.addEventListener("abort", () => {
        reasons.signal = request.signal.reason;
      });
      request.rayguard.signal.addEventListener("abort", () => {
        reasons.own = request.rayguard.signal.reason;
      });
      return new Promise(() => {});
    });
    app.get("/ok", async () => "ok");
    await app.listen({ port: 0, host: "127.0.0.1" });
    const { responses, problems } = await exchange(app.server, [{ path: "/" }, { path: "/ok" }]);
    await wait(20);
    await app.close();
    expect(problems).toEqual([]);
    expect(responses.map(({ status }) => status)).toEqual([503, 200]);
    return { body: responses[0]?.text() ?? "", reasons };
  }

  it("Fastify answers where its timeout comes first", async () => {
    const { body, reasons } = await serve(60, 5_000);
    expect(body).toContain("FST_ERR_HANDLER_TIMEOUT");
    expect(reasons.signal).toMatchObject({ code: "FST_ERR_HANDLER_TIMEOUT" });
    expect(reasons.own).toBe(undefined);
  });

  it("the guard answers where its deadline comes first", async () => {
    const { body, reasons } = await serve(5_000, 60);
    expect(body).not.toContain("FST_ERR");
    expect(reasons.own).toMatchObject({ code: "ERR_RAYGUARD_DEADLINE" });
  });
});
