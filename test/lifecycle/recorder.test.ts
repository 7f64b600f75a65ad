import { once } from "node:events";
import fs, { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { syncBuiltinESMExports } from "node:module";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import fastify from "fastify";
import { describe, expect, it, vi } from "vitest";
import { rayguard } from "../../adapters/fastify.js";
import type { Exchange } from "../../src/exchange/exchange.js";
import type { GuardOptions } from "../../src/index.js";
import { Recorder } from "../../src/recorder/recorder.js";
import { encodeEmpty } from "../../src/recorder/recorder-file.js";
import { decodeSlots, encodeSlot, SLOT_OCTETS } from "../../src/recorder/slots.js";
import { MESSAGES } from "../../src/report/log.js";
import { exchange } from "../../src/testing/index.js";
import { listen } from "../testing/servers.js";
import { directory, gone, left, path, recorded, search, start } from "./recorder-directory.js";

vi.mock("../../src/clock.js", () => import("../helpers/global-clock.js"));

const ownFile = () => readFileSync(`${path}.${process.pid}`, "latin1");

/** A guarded server whose handler answers when it is told to. */
async function serve(options?: GuardOptions, slots?: number) {
  const { guard, lines } = start(options, slots);
  const waiting: ServerResponse[] = [];
  const server = await listen(guard.attach(createServer((_request, response) => void waiting.push(response))));
  const ask = async (count: number, target = "/orders") => {
    for (let n = 0; n < count; n++) void exchange(server, [{ path: target }]);
    await vi.waitFor(() => expect(waiting).toHaveLength(count), { interval: 5 });
  };
  const answer = async () => {
    for (const response of waiting.splice(0)) response.end("ok");
    await vi.waitFor(() => expect(guard.stats().inFlight).toBe(0), { interval: 5 });
  };
  return { guard, lines, server, ask, answer };
}

/** Puts `before` in front of every synchronous write. */
async function whileWriting(before: (...args: never[]) => void, act: () => Promise<void>): Promise<void> {
  const { writeSync } = fs;
  fs.writeSync = ((...args: never[]) => {
    before(...args);
    return Reflect.apply(writeSync, fs, args) as number;
  }) as typeof writeSync;
  syncBuiltinESMExports();
  try {
    await act();
  } finally {
    fs.writeSync = writeSync;
    syncBuiltinESMExports();
  }
}

describe("a request in flight", () => {
  it("is in the file of its process, masked, and out of it when it is answered", async () => {
    const { server, ask, answer, guard } = await serve();
    const empty = ownFile();
    const target = `/orders?token=hush&q=${"x".repeat(300)}`;
    await ask(1, target);
    expect(ownFile()).toContain("/orders?token=[redacted]&q=xxx");
    expect(ownFile()).not.toContain("hush");
    expect(ownFile()).toHaveLength(empty.length);
    expect(ownFile().charCodeAt(SLOT_OCTETS)).toBe(1);
    await answer();
    expect(ownFile().charCodeAt(SLOT_OCTETS)).toBe(0);
    expect(server.listening).toBe(true);
    guard.close();
    expect(left()).toEqual([]);
  });

  it("that takes the place of an earlier one is read without what that left behind", async () => {
    const { ask, answer, guard } = await serve();
    await ask(1, `/${"long".repeat(100)}`);
    await answer();
    await ask(1, "/short");
    const copy = Buffer.from(ownFile(), "latin1");
    encodeEmpty(gone, 4).copy(copy, 0, 0, SLOT_OCTETS);
    writeFileSync(join(directory, "flight.1"), copy);
    expect(await search()).toMatchObject([{ url: "/short" }]);
    await answer();
    guard.close();
  });

  it("that finds no slot is served all the same, and told of once", async () => {
    const { ask, answer, lines } = await serve({}, 2);
    const { length } = ownFile();
    await ask(5);
    await answer();
    await ask(4);
    await answer();
    expect(lines).toMatchObject([{ level: "warn", msg: MESSAGES.recorderFull, slots: 2 }]);
    expect(ownFile()).toHaveLength(length);
  });

  it("that carries no Ray ID does not get the one of an earlier one", () => {
    const slot = Buffer.alloc(2 * SLOT_OCTETS);
    encodeSlot(slot.subarray(SLOT_OCTETS), recorded);
    encodeSlot(slot.subarray(SLOT_OCTETS), { ...recorded, ray: null, colo: null, url: "/" });
    expect(decodeSlots(slot, 1)).toEqual([{ ...recorded, ray: null, colo: null, url: "/" }]);
  });

  it("that cannot be parsed is answered and not recorded", async () => {
    const { server } = await serve();
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    socket.write("no request\r\n\r\n");
    expect(String((await once(socket, "data"))[0])).toMatch(/^HTTP\/1\.1 400 /);
    socket.destroy();
  });

  it("costs two writes where it is answered at once", async () => {
    const { ask, answer } = await serve();
    const lengths: number[] = [];
    const note = (_fd: number, _octets: Uint8Array, _offset: number, length: number) => void lengths.push(length);
    await whileWriting(note, async () => {
      await ask(1);
      await answer();
    });
    expect(lengths).toEqual([62 + "/orders".length, 4]);
  });

  it("costs a third write only where its response outlives the loop of events in which it started", async () => {
    const recorder = new Recorder(
      { path, slots: 4 },
      { found() {}, refused() {}, failed() {}, full() {}, ownFailure() {}, isHeard: () => true },
    );
    const marks: unknown[] = [];
    const note = (_fd: number, octets: Uint8Array, _offset: number, length: number, position: number) => {
      if (length === 4) marks.push([...octets, position]);
    };
    const [brief, long] = [1, 2].map(() => ({ request: { headers: {}, url: "/" }, slot: -1, status: 206 }) as Exchange);
    await whileWriting(note, async () => {
      for (const each of [brief, long] as Exchange[]) recorder.begin(each);
      for (const each of [brief, long] as Exchange[]) recorder.answering(each);
      recorder.end(brief as Exchange);
      await turn();
      recorder.end(long as Exchange);
      recorder.close();
    });
    const free = [0, 0, 0, 0];
    expect(marks).toEqual([
      [...free, SLOT_OCTETS],
      [2, 0, 206, 0, 2 * SLOT_OCTETS],
      [...free, 2 * SLOT_OCTETS],
    ]);
  });

  it("keeps the file after close() until it is answered", async () => {
    const { ask, answer, guard } = await serve();
    await ask(2);
    guard.close();
    expect(left()).toHaveLength(1);
    await answer();
    expect(left()).toEqual([]);
  });

  it("is not recorded where it is a health check", async () => {
    let pass = () => {};
    const slow = new Promise<void>((resolve) => {
      pass = resolve;
    });
    const { server, guard } = await serve({ health: { checks: { slow: () => slow } } });
    const answered = exchange(server, [{ path: "/health" }]);
    await vi.waitFor(() => expect(guard.stats().inFlight).toBe(1), { interval: 5 });
    expect(ownFile().charCodeAt(SLOT_OCTETS)).toBe(0);
    pass();
    expect((await answered).responses[0]?.status).toBe(200);
  });
});

describe("a recorder that cannot write", () => {
  it("from the start is told of once, and requests are served", async () => {
    const { server, ask, answer, lines } = await serve({ recorder: { path: join(directory, "no", "flight") } });
    await ask(2);
    await answer();
    expect(server.listening).toBe(true);
    await delay(5);
    expect(lines).toMatchObject([{ level: "warn", msg: MESSAGES.recorderOff, err: { code: "ENOENT" } }]);
  });

  it("from the start says so through the logger of Fastify", async () => {
    const lines: string[] = [];
    const app = fastify({ logger: { stream: { write: (line: string) => void lines.push(line) } } });
    await app.register(rayguard, { recorder: { path: join(directory, "no", "flight") } });
    await app.ready();
    await delay(5);
    await app.close();
    expect(lines.filter((line) => line.includes(MESSAGES.recorderOff))).toHaveLength(1);
  });

  it("any more is told of once, takes its file away, and requests are served", async () => {
    const { ask, answer, lines } = await serve();
    const full = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    await whileWriting(
      () => {
        throw full;
      },
      () => ask(2),
    );
    expect(left()).toEqual([]);
    await answer();
    await ask(1);
    await answer();
    expect(lines).toMatchObject([{ level: "warn", msg: MESSAGES.recorderOff, err: { code: "ENOSPC" } }]);
    expect(left()).toEqual([]);
  });

  it("survives that its directory is gone", async () => {
    const { ask, answer, guard } = await serve();
    rmSync(directory, { recursive: true });
    await ask(2);
    await answer();
    expect(() => guard.close()).not.toThrow();
  });
});

describe("close()", () => {
  it("stops every timer, also while a request is in flight", () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
    const recorder = new Recorder(
      { path, slots: 4 },
      { found() {}, refused() {}, failed() {}, full() {}, ownFailure() {}, isHeard: () => true },
    );
    expect(vi.getTimerCount()).toBe(2);
    const exchange = { request: { headers: {}, method: "GET", url: "/" }, slot: -1 } as Exchange;
    recorder.begin(exchange);
    recorder.close();
    expect(vi.getTimerCount()).toBe(0);
    recorder.end(exchange);
    expect(left()).toEqual([]);
  });
});

describe("a guard that cannot be made", () => {
  it("leaves no file", () => {
    expect(() => start({ health: { path: "no path" } })).toThrow(/health\.path/);
    expect(left()).toEqual([]);
  });
});

describe("several guards of one process", () => {
  it("write a file each", async () => {
    const first = await serve();
    const second = await serve();
    expect(left()).toEqual([`flight.${process.pid}`, `flight.${process.pid}-1`]);
    await second.ask(1, "/second");
    expect(ownFile()).not.toContain("/second");
    await second.answer();
    first.guard.close();
    second.guard.close();
    expect(left()).toEqual([]);
  });

  it("share one listener for the exit of the process, and take it off", () => {
    const before = process.listenerCount("exit");
    const made = Array.from({ length: 20 }, () => start().guard);
    expect(process.listenerCount("exit")).toBe(before + 1);
    for (const guard of made) guard.close();
    expect(process.listenerCount("exit")).toBe(before);
  });
});
