import { execFileSync, spawn } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import {
  chownSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import fastify from "fastify";
import { pino } from "pino";
import { describe, expect, it, vi } from "vitest";
import { rayguard } from "../../adapters/fastify.js";
import { Recorder } from "../../src/recorder/recorder.js";
import { encodeEmpty } from "../../src/recorder/recorder-file.js";
import { type Remains, searchRemains } from "../../src/recorder/recorder-search.js";
import { encodeSlot, SLOT_OCTETS } from "../../src/recorder/slots.js";
import { isMute, MESSAGES } from "../../src/report/log.js";
import { directory, gone, leave, left, own, path, recorded, search, start } from "./recorder-directory.js";

vi.mock("../../src/clock.js", () => import("../helpers/global-clock.js"));

const MINUTE = 60_000;

describe("a file of a process that is gone", () => {
  it("becomes an error line for each request in it, and is removed", async () => {
    leave("flight.1", gone, [recorded, { ...recorded, ray: null, colo: null, method: "M-SEARCH" }]);
    const lines = await search();
    expect(lines).toMatchObject([
      { level: "error", msg: "incident", ray: recorded.ray, colo: "SJC", method: "GET", url: "/orders" },
      { level: "error", msg: "incident", ray: null, colo: null, method: "M-SEARCH" },
    ]);
    expect(lines[0]).toMatchObject({ code: "KILLED", action: "reported", prevented: null, status: 520 });
    expect(lines[0]?.reason).toMatch(/^The process ended .* the request arrived at 2026-11-22T19:00:00\.000Z\.$/);
    expect(left()).toEqual([]);
  });

  it("counts as incidents of the guard that found it, and prevents nothing", async () => {
    leave("flight.1", gone, [recorded, recorded]);
    const { guard } = start();
    await delay(5);
    expect(guard.stats()).toMatchObject({ incidents: { KILLED: 2 }, prevented: { "520": 0 }, inFlight: 0 });
  });

  it("is found in report mode as well", async () => {
    leave("flight.1", gone, [recorded]);
    expect(await search({ mode: "report" })).toHaveLength(1);
  });

  it("is removed without a line where no request was in flight", async () => {
    leave("flight.1", gone, []);
    expect(await search()).toEqual([]);
    expect(left()).toEqual([]);
  });

  it("with a torn slot names the others, and says that there was one more", async () => {
    const file = leave("flight.1", gone, [recorded, recorded, recorded]);
    file.write("?", SLOT_OCTETS + 60);
    file[2 * SLOT_OCTETS] = 77; // no state there is
    file.writeUInt16LE(9_999, 3 * SLOT_OCTETS + 36); // longer than the slot
    encodeSlot(file.subarray(4 * SLOT_OCTETS), { ...recorded, url: "/sound" });
    writeFileSync(join(directory, "flight.1"), file);
    const lines = await search();
    expect(lines.map(({ ray, url }) => [ray, url])).toEqual([
      [null, ""],
      [null, ""],
      [null, ""],
      [recorded.ray, "/sound"],
    ]);
    expect(lines[0]).toMatchObject({ code: "KILLED", status: 520, reason: expect.stringMatching(/is damaged\.$/) });
    expect(left()).toEqual([]);
  });

  it("is not believed what no request could have said", async () => {
    leave("flight.1", gone, [
      {
        ...recorded,
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
    leave("flight.1", gone, [recorded]);
    utimesSync(join(directory, "flight.1"), 0, 0); // its last request had waited for long
    const named: string[] = [];
    const refused = (file: string, why: string) => void named.push(`${file}: ${why}`);
    const isHeard = () => true;
    const late = { found: () => void named.push("late"), refused, isHeard };
    const found = () => {
      named.push("first");
      // Another process that looks while this one reports cannot tell a claim from one that was left lying, yet.
      expect(searchRemains(path, own, late)).toBe(true);
    };
    expect(searchRemains(path, own, { found, refused, isHeard })).toBe(false);
    expect(named).toEqual(["first"]);
  });

  it("may be taken by another process while it is looked at", () => {
    leave("flight.1", gone, [recorded]);
    leave("flight.2", gone, [recorded]);
    const pids: number[] = [];
    const refused = (file: string, why: string) => expect.unreachable(`${file}: ${why}`);
    const found = ({ pid }: Remains) => {
      pids.push(pid);
      for (const name of left()) if (!name.includes("claim")) unlinkSync(join(directory, name));
    };
    searchRemains(path, own, { found, refused, isHeard: () => true });
    expect(pids).toEqual([process.pid]);
  });

  it("goes to the logger of Fastify where nobody names another", async () => {
    leave("flight.1", gone, [recorded]);
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
    for (const name of ["flight.1", "flight.1-1", "flight.22"]) leave(name, gone, [recorded]);
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
    leave("flight.1", { ...own, start: "1" }, [recorded]);
    leave("flight.2", { ...own, pid: process.ppid, start: "1" }, [recorded]);
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
      leave("flight.1", { ...own, pid, start: stat()[21] as string }, [recorded]);
      expect(await search()).toEqual([]);
      process.kill(pid, "SIGKILL");
      await vi.waitFor(() => expect(stat()[2]).toBe("Z"), { interval: 5 });
      expect(await search()).toHaveLength(1);
    } finally {
      shell.kill("SIGKILL");
    }
  });

  it("that nobody else has the number of is gone", async () => {
    leave("flight.1", { ...own, pid: 2 ** 31 - 1 }, [recorded]);
    expect(await search()).toHaveLength(1);
  });

  it("of another container is gone when it has been silent for long enough", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
    leave("flight.1", { ...own, space: "pid:[1]" }, [recorded]);
    const { lines } = start();
    await vi.advanceTimersByTimeAsync(29_000);
    expect(lines).toEqual([]);
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(lines).toMatchObject([{ code: "KILLED", ray: recorded.ray }]);
  });

  it("of another container lives while it gives signs of life, as every recorder does", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
    const { lines } = start();
    const file = join(directory, left()[0] as string);
    const content = readFileSync(file);
    encodeEmpty({ ...own, space: "pid:[1]" }, 4).copy(content, 0, 0, SLOT_OCTETS);
    encodeSlot(content.subarray(SLOT_OCTETS), recorded);
    writeFileSync(file, content);
    await vi.advanceTimersByTimeAsync(5 * MINUTE);
    expect(lines).toEqual([]);
    expect(left()).toHaveLength(1);
  });

  it("that died after it claimed a file leaves it to the next one", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
    leave("flight.1.claim-0123456789abcdef", gone, [recorded]);
    const { lines } = start();
    await vi.advanceTimersByTimeAsync(29_000);
    expect(lines).toEqual([]);
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(lines).toMatchObject([{ code: "KILLED" }]);
  });
});

describe("a file in the place of a recorder", () => {
  const sound = () => leave("sound", gone, [recorded]);
  const changed = (offset: number, value: number) => {
    const file = sound();
    file[offset] = value;
    return file;
  };

  it.each<[what: string, content: () => Buffer | string, why: RegExp]>([
    ["is empty", () => "", /no file of a recorder/],
    ["is foreign", () => "x".repeat(1_000), /no file of a recorder/],
    ["has a later format", () => changed(8, 4), /format 4, and this version of rayguard reads 3/],
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
    leave("flight.1", gone, [recorded]);
    chownSync(join(directory, "flight.1"), 12_345, 12_345);
    expect(await search()).toMatchObject([{ msg: MESSAGES.recorderForeign, why: "it belongs to another user" }]);
    expect(left()).toEqual(["flight.1"]);
  });

  it("has no say in what the others are searched for, once the recorder is closed", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
    leave("flight.1", gone, [recorded]);
    leave("flight.2", { ...own, space: "pid:[1]" }, [recorded]);
    const found = vi.fn(() => recorder.close());
    const recorder = new Recorder(
      { path, slots: 4 },
      { found, refused() {}, failed() {}, full() {}, ownFailure() {}, isHeard: () => true },
    );
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(found).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("does not matter under any other name", async () => {
    for (const name of ["flight", "flight.log", "flight.1.bak", "flight.1.claim-x", "flights.1", "x.1"])
      writeFileSync(join(directory, name), "x");
    expect(await search()).toEqual([]);
    expect(left()).toHaveLength(6);
  });
});

describe("remains that nobody would hear of", () => {
  it("stay for a start that tells, under a logger of Fastify that is off", async () => {
    leave("flight.1", gone, [recorded]);
    const app = fastify({ logger: false });
    await app.register(rayguard, { recorder: { path, slots: 4 } });
    await app.ready();
    await delay(20);
    await app.close();
    expect(left()).toEqual(["flight.1"]);
    expect(await search()).toMatchObject([{ code: "KILLED", ray: recorded.ray }]);
    expect(left()).toEqual([]);
  });

  it("stay without a logger, unless somebody has subscribed to incidents", async () => {
    leave("flight.1", gone, [recorded]);
    await search({ logger: false });
    expect(left()).toEqual(["flight.1"]);
    const heard: unknown[] = [];
    const note = (incident: unknown) => void heard.push(incident);
    subscribe("rayguard:incident", note);
    await search({ logger: false });
    unsubscribe("rayguard:incident", note);
    expect(heard).toMatchObject([{ code: "KILLED", ray: recorded.ray }]);
    expect(left()).toEqual([]);
  });

  it.each([
    [{ info() {}, warn() {}, error() {} }, true],
    [{ info: () => {}, warn: () => {}, error: () => {} }, true],
    [pino({ level: "silent" }), true],
    [pino({ level: "info" }, { write() {} }), false],
    [{ info() {}, warn() {}, error: (line: object) => void line }, false],
  ])("are those of a logger that does nothing: %#", (logger, isSilent) => {
    expect(isMute(logger)).toBe(isSilent);
  });
});
