import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs, {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import fastify from "fastify";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { rayguard } from "../../adapters/fastify.js";
import { createGuard, type Guard, type GuardOptions } from "../../src/index.js";
import { ownIdentity, type ProcessIdentity } from "../../src/lifecycle/process-identity.js";
import { encodeEmpty, encodeSlot, type Recorded, SLOT_OCTETS } from "../../src/lifecycle/recorder-file.js";
import { searchRemains } from "../../src/lifecycle/recorder-search.js";
import { MESSAGES } from "../../src/log.js";
import { exchange } from "../../src/testing/index.js";
import { listen } from "../testing/servers.js";

const MINUTE = 60_000;
const own = ownIdentity();

/** The number of this process, in an earlier run of the kernel: whoever had it is gone. */
const gone: ProcessIdentity = { ...own, boot: "an earlier one" };
const request: Recorded = {
  ray: "230b030023ae2822",
  colo: "SJC",
  method: "GET",
  url: "/orders",
  startedAt: 1_795_374_000_000,
  status: 0,
};

let directory: string;
let path: string;
const guards: Guard[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rayguard-recorder-"));
  path = join(directory, "flight");
});

afterEach(() => {
  vi.useRealTimers();
  for (const guard of guards.splice(0)) guard.close();
  rmSync(directory, { recursive: true, force: true });
});

interface Line extends Record<string, unknown> {
  readonly level: string;
  readonly msg: string;
}

function start(options: GuardOptions = {}, slots = 4) {
  const lines: Line[] = [];
  const note = (level: string) => (record: object, msg: string) => void lines.push({ ...record, level, msg });
  const logger = { info() {}, warn: note("warn"), error: note("error") };
  const guard = createGuard({ logger, recorder: { path, slots }, ...options });
  guards.push(guard);
  return { guard, lines };
}

/** Starts a guard and waits until it has looked for the dead: its timer is the older one. */
async function search(options?: GuardOptions): Promise<Line[]> {
  const { guard, lines } = start(options);
  await delay(5);
  guard.close();
  return lines;
}

/** A file that some process has left. */
function leave(name: string, owner: ProcessIdentity, requests: readonly Recorded[], slots = 4): Buffer {
  const file = encodeEmpty(owner, slots);
  for (const [i, each] of requests.entries()) encodeSlot(file.subarray((i + 1) * SLOT_OCTETS), each);
  writeFileSync(join(directory, name), file);
  return file;
}

const left = () => readdirSync(directory).sort();
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

describe("a file of a process that is gone", () => {
  it("becomes an error line for each request in it, and is removed", async () => {
    leave("flight.1", gone, [request, { ...request, ray: null, colo: null, method: "M-SEARCH" }]);
    const lines = await search();
    expect(lines).toMatchObject([
      { level: "error", msg: "incident", ray: request.ray, colo: "SJC", method: "GET", url: "/orders" },
      { level: "error", msg: "incident", ray: null, colo: null, method: "M-SEARCH" },
    ]);
    expect(lines[0]).toMatchObject({ code: "KILLED", action: "reported", prevented: null, status: 520 });
    expect(lines[0]?.reason).toMatch(/^The process ended .* the request arrived at 2026-11-22T19:00:00\.000Z\.$/);
    expect(left()).toEqual([]);
  });

  it("counts as incidents of the guard that found it, and prevents nothing", async () => {
    leave("flight.1", gone, [request, request]);
    const { guard } = start();
    await delay(5);
    expect(guard.stats()).toMatchObject({ incidents: { KILLED: 2 }, prevented: { "520": 0 }, inFlight: 0 });
  });

  it("is found in report mode as well", async () => {
    leave("flight.1", gone, [request]);
    expect(await search({ mode: "report" })).toHaveLength(1);
  });

  it("is removed without a line where no request was in flight", async () => {
    leave("flight.1", gone, []);
    expect(await search()).toEqual([]);
    expect(left()).toEqual([]);
  });

  it("with a torn slot names the others, and says that there was one more", async () => {
    const file = leave("flight.1", gone, [request, request, request]);
    file.write("?", SLOT_OCTETS + 60);
    file[2 * SLOT_OCTETS] = 77; // no state there is
    file.writeUInt16LE(9_999, 3 * SLOT_OCTETS + 36); // longer than the slot
    encodeSlot(file.subarray(4 * SLOT_OCTETS), { ...request, url: "/sound" });
    writeFileSync(join(directory, "flight.1"), file);
    const lines = await search();
    expect(lines.map(({ ray, url }) => [ray, url])).toEqual([
      [null, ""],
      [null, ""],
      [null, ""],
      [request.ray, "/sound"],
    ]);
    expect(lines[0]).toMatchObject({ code: "KILLED", status: 520, reason: expect.stringMatching(/is damaged\.$/) });
    expect(left()).toEqual([]);
  });

  it("is not believed what no request could have said", async () => {
    leave("flight.1", gone, [
      {
        ...request,
        ray: "<script>alert(1)",
        colo: "a\n",
        method: "\x1b[31m",
        url: "/\x1b?token=x",
        startedAt: Number.NaN,
      },
    ]);
    const [line] = await search();
    expect(line).toMatchObject({ ray: null, colo: null, method: "", url: "/%1B?token=[redacted]" });
    expect(line?.reason).toMatch(/arrived at an unknown time\.$/);
  });

  it("belongs to whoever takes it first", () => {
    leave("flight.1", gone, [request]);
    const named: string[] = [];
    const refused = (file: string, why: string) => void named.push(`${file}: ${why}`);
    const late = { found: () => void named.push("late"), refused };
    const found = () => {
      named.push("first");
      // Another process that looks while this one reports cannot tell a claim from one that was left lying, yet.
      expect(searchRemains(path, own, late)).toBe(true);
    };
    expect(searchRemains(path, own, { found, refused })).toBe(false);
    expect(named).toEqual(["first"]);
  });

  it("goes to the logger of Fastify where nobody names another", async () => {
    leave("flight.1", gone, [request]);
    const lines: string[] = [];
    const app = fastify({ logger: { stream: { write: (line: string) => void lines.push(line) } } });
    await app.register(rayguard, { recorder: { path } });
    await app.ready();
    await delay(5);
    await app.close();
    expect(lines.filter((line) => line.includes('"code":"KILLED"'))).toHaveLength(1);
    expect(left()).toEqual([]);
  });

  it("may be one of several, each with a name of its own", async () => {
    for (const name of ["flight.1", "flight.1-1", "flight.22"]) leave(name, gone, [request]);
    expect(await search()).toHaveLength(3);
    expect(left()).toEqual([]);
  });
});

describe("a process", () => {
  it("that lives keeps its file", async () => {
    const { guard } = start();
    const [file] = left();
    expect(await search()).toEqual([]);
    expect(left()).toEqual([file]);
    guard.close();
  });

  it("with the number of a dead one is not taken for it", async () => {
    leave("flight.1", { ...own, start: "1" }, [request]);
    leave("flight.2", { ...own, pid: process.ppid, start: "1" }, [request]);
    expect(await search()).toHaveLength(process.platform === "linux" ? 2 : 0);
  });

  it.runIf(process.platform === "linux")("that was killed is gone, also before its parent has noticed", async () => {
    // The shell becomes a program that waits for nobody.
    const shell = spawn("sh", ["-c", "sleep 60 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      const pid = Number(String((await once(shell.stdout, "data"))[0]));
      const stat = () => readFileSync(`/proc/${pid}/stat`, "latin1").split(" ");
      await vi.waitFor(() => expect(readFileSync(`/proc/${shell.pid}/comm`, "latin1")).toBe("sleep\n"), {
        interval: 5,
      });
      leave("flight.1", { ...own, pid, start: stat()[21] as string }, [request]);
      expect(await search()).toEqual([]);
      process.kill(pid, "SIGKILL");
      await vi.waitFor(() => expect(stat()[2]).toBe("Z"), { interval: 5 });
      expect(await search()).toHaveLength(1);
    } finally {
      shell.kill("SIGKILL");
    }
  });

  it("that nobody else has the number of is gone", async () => {
    leave("flight.1", { ...own, pid: 2 ** 31 - 1 }, [request]);
    expect(await search()).toHaveLength(1);
  });

  it("of another container is gone when it has been silent for long enough", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
    leave("flight.1", { ...own, space: "pid:[1]" }, [request]);
    const { lines } = start();
    await vi.advanceTimersByTimeAsync(29_000);
    expect(lines).toEqual([]);
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(lines).toMatchObject([{ code: "KILLED", ray: request.ray }]);
  });

  it("of another container lives while it gives signs of life, as every recorder does", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
    const { lines } = start();
    const file = join(directory, left()[0] as string);
    const content = readFileSync(file);
    encodeEmpty({ ...own, space: "pid:[1]" }, 4).copy(content, 0, 0, SLOT_OCTETS);
    encodeSlot(content.subarray(SLOT_OCTETS), request);
    writeFileSync(file, content);
    await vi.advanceTimersByTimeAsync(5 * MINUTE);
    expect(lines).toEqual([]);
    expect(left()).toHaveLength(1);
  });

  it("that died after it claimed a file leaves it to the next one", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
    leave("flight.1.claim-0123456789abcdef", gone, [request]);
    const { lines } = start();
    await vi.advanceTimersByTimeAsync(29_000);
    expect(lines).toEqual([]);
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(lines).toMatchObject([{ code: "KILLED" }]);
  });
});

describe("a file in the place of a recorder", () => {
  const sound = () => leave("sound", gone, [request]);
  const changed = (offset: number, value: number) => {
    const file = sound();
    file[offset] = value;
    return file;
  };

  it.each<[what: string, content: () => Buffer | string, why: RegExp]>([
    ["is empty", () => "", /no file of a recorder/],
    ["is foreign", () => "x".repeat(1_000), /no file of a recorder/],
    ["has a later format", () => changed(8, 2), /format 2, and this version of rayguard reads 1/],
    ["has another size of slots", () => changed(12, 1), /header is damaged/],
    ["has a damaged owner", () => changed(40, 0), /header is damaged/],
    ["is too short", () => sound().subarray(0, 3 * SLOT_OCTETS), /has 768 octets instead of 1280/],
    ["is too long", () => Buffer.concat([sound(), Buffer.alloc(1)]), /has 1281 octets instead of 1280/],
  ])("that %s is reported and left alone", async (_what, content, why) => {
    const octets = Buffer.from(content());
    rmSync(join(directory, "sound"), { force: true });
    writeFileSync(join(directory, "flight.1"), octets);
    const lines = await search();
    expect(lines).toMatchObject([{ level: "warn", msg: MESSAGES.recorderForeign, why: expect.stringMatching(why) }]);
    expect(lines[0]?.file).toBe(join(directory, "flight.1"));
    expect(readFileSync(join(directory, "flight.1"))).toEqual(octets);
  });

  it("is reported once, however often it is looked at", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
    writeFileSync(join(directory, "flight.1"), "foreign");
    leave("flight.2", { ...own, space: "pid:[1]" }, []);
    const { lines } = start();
    await vi.advanceTimersByTimeAsync(5 * MINUTE);
    expect(lines).toHaveLength(1);
    expect(left()).not.toContain("flight.2");
  });

  it("that is no file at all is left alone", async () => {
    mkdirSync(join(directory, "flight.1"));
    sound();
    symlinkSync(join(directory, "sound"), join(directory, "flight.2"));
    execFileSync("mkfifo", [join(directory, "flight.3")]);
    expect((await search()).map(({ msg }) => msg)).toEqual(Array(3).fill(MESSAGES.recorderForeign));
    expect(left()).toEqual(["flight.1", "flight.2", "flight.3", "sound"]);
  });

  it.runIf(process.getuid?.() === 0)("that belongs to another user is not believed", async () => {
    leave("flight.1", gone, [request]);
    chownSync(join(directory, "flight.1"), 12_345, 12_345);
    expect(await search()).toMatchObject([{ msg: MESSAGES.recorderForeign, why: "it belongs to another user" }]);
    expect(left()).toEqual(["flight.1"]);
  });

  it("does not matter under any other name", async () => {
    for (const name of ["flight", "flight.log", "flight.1.bak", "flight.1.claim-x", "flights.1", "x.1"])
      writeFileSync(join(directory, name), "x");
    expect(await search()).toEqual([]);
    expect(left()).toHaveLength(6);
  });
});

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

  it("costs two writes where it is answered at once", async () => {
    const { ask, answer } = await serve();
    const lengths: number[] = [];
    const note = (_fd: number, _octets: Uint8Array, _offset: number, length: number) => void lengths.push(length);
    await whileWriting(note, async () => {
      await ask(1);
      await answer();
    });
    expect(lengths).toEqual([54 + "/orders".length, 4]);
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
