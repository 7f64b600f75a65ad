import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it, onTestFinished } from "vitest";
import { MappedFile, storeWords } from "../../src/recorder/mapped-file.js";
import {
  encodeArrival,
  encodeMark,
  encodeSlot,
  FREE_MARK,
  SLOT_OCTETS,
  STATE,
  takenSlots,
} from "../../src/recorder/slots.js";
import { MESSAGES } from "../../src/report/log.js";
import { exchange } from "../../src/testing/index.js";
import { endPrograms, Program } from "../zero-code/program.js";

afterEach(endPrograms);

const ENV = { RAYGUARD_OPTIONS: '{"logger":false}' };
const MEMORY = "/dev/shm";

/** Where a file can be memory, it has to be: with a fallback, nobody would see that it is not. */
const canMap = process.versions.node.startsWith("26.") && process.platform === "linux";

/** What a ledger with one slot says behind every store. */
function momentsOf(steps: readonly ((scratch: Buffer) => readonly [octets: Uint8Array, length: number])[]) {
  const file = Buffer.alloc(2 * SLOT_OCTETS);
  const scratch = Buffer.alloc(SLOT_OCTETS);
  return steps.map((step) => {
    const moments: ReturnType<typeof takenSlots>[] = [];
    const words = new Proxy<Record<number, number>>(
      {},
      {
        set(_, at, word) {
          file.writeInt32LE(word, 4 * Number(at));
          moments.push(takenSlots(file, 1));
          return true;
        },
      },
    );
    const [octets, length] = step(scratch);
    storeWords(words, octets, length, SLOT_OCTETS);
    return moments;
  });
}

const recorded = (url: string) => ({ ray: null, colo: null, method: "GET", url, startedAt: 1, status: 0 });

describe("between any two stores a ledger says", () => {
  const [arrival, whole, out, free, other, otherWhole] = momentsOf([
    (scratch) => [scratch, encodeArrival(scratch, 7, 0)],
    (scratch) => [scratch, encodeSlot(scratch, recorded("/first/of/all"), 7, 2)],
    () => [encodeMark(STATE.answering, 200, true), 4],
    () => [FREE_MARK, 4],
    (scratch) => [scratch, encodeArrival(scratch, 8, 0)],
    (scratch) => [scratch, encodeSlot(scratch, recorded("/b"), 8)],
  ]) as [Moments, Moments, Moments, Moments, Moments, Moments];
  type Moments = ReturnType<typeof takenSlots>[];
  const last = (moments: Moments) => moments.at(-1)?.[0];

  it("nothing of a request, or that it arrives", () => {
    expect(arrival.slice(0, -1).flat()).toEqual([]);
    expect(last(arrival)).toMatchObject({ state: STATE.waiting, connection: 7, request: { method: "" } });
    expect(other.slice(0, -1).flat()).toEqual([]);
    expect(last(other)).toMatchObject({ state: STATE.waiting, connection: 8, request: { method: "" } });
  });

  it.each([
    ["", whole, 7, "/first/of/all"],
    ["where another one was, ", otherWhole, 8, "/b"],
  ])("%sthat a request waits, with nothing of it or all", (_, moments, connection, url) => {
    expect(moments.length).toBeGreaterThan(10);
    for (const slots of moments) {
      expect(slots).toMatchObject([{ state: STATE.waiting, connection }]);
      const { request } = slots[0] as (typeof slots)[0];
      if (request !== "torn" && request.method !== "") expect(request).toMatchObject({ method: "GET", url });
    }
    expect(last(moments)).toMatchObject({ request: { method: "GET", url } });
    // Its number is that of its arrival, and then its own.
    expect(new Set(moments.map(([slot]) => slot?.sequence)).size).toBe(2);
  });

  it("what a mark said, or what it says", () => {
    expect(out).toMatchObject([[{ state: STATE.answering, isDelimited: true, connection: 7 }]]);
    expect(free).toEqual([[]]);
  });
});

describe.runIf(canMap)("a file as memory", () => {
  it("has at once what is stored, also when its name is gone, and is let go of", () => {
    const folder = mkdtempSync(join(MEMORY, "rayguard-test-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "file");
    const fd = openSync(path, "wx+");
    writeSync(fd, Buffer.alloc(8_192));
    const mapped = MappedFile.of(fd, path, 8_192);
    unlinkSync(path);
    const isMapped = () => readFileSync("/proc/self/maps", "latin1").includes(path);
    const found = Buffer.alloc(8_192);
    readSync(fd, found, 0, found.length, 0);
    expect(found.equals(Buffer.alloc(8_192))).toBe(true);
    mapped?.write(Uint8Array.of(1, 2, 3, 255), 4, 4_096);
    readSync(fd, found, 0, 4, 4_096);
    expect([...found.subarray(0, 4)]).toEqual([1, 2, 3, 255]);
    expect(isMapped()).toBe(true);
    mapped?.close();
    expect(isMapped()).toBe(false);
    closeSync(fd);
  });

  it("is none where it cannot be had", () => {
    expect(MappedFile.of(-1, MEMORY, 4_096)).toBeUndefined();
    const elsewhere = import.meta.dirname;
    expect(statfsSync(elsewhere).type).not.toBe(statfsSync(MEMORY).type);
    expect(MappedFile.of(-1, elsewhere, 4_096)).toBeUndefined();
  });
});

const SERVER = `import { createServer } from "node:http";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
const server = createServer((request, response) => {
  if (request.url === "/kill") process.kill(process.pid, "SIGKILL");
  if (request.url === "/fail") {
    fs.futimesSync = () => { throw new Error("no device"); };
    syncBuiltinESMExports();
  }
  response.end(JSON.stringify(Object.getOwnPropertyDescriptor(process, "emitWarning")) + process.emitWarning.name);
}).listen(0, "127.0.0.1", () => process.send(server.address().port));`;

const mapsOf = (pid: number) => readFileSync(`/proc/${pid}/maps`, "latin1");

describe.runIf(canMap)("the ledger of a program", { timeout: 60_000 }, () => {
  it.each([
    ["is memory", "", true],
    ["is a file where Node has no foreign functions", "--no-experimental-ffi", false],
    [
      "is a file where Node asks for permissions",
      "--permission --allow-fs-read=* --allow-fs-write=* --allow-child-process --allow-net --allow-worker",
      false,
    ],
  ])("%s, and tells of a request", async (_, flags, isMapped) => {
    const program = Program.start("app.mjs", SERVER, { keeper: [], env: { ...ENV, NODE_OPTIONS: flags } });
    const [port = 0] = await program.ports();
    const ask = async (path: string) => (await exchange({ port }, { path, headers: { "CF-RAY": RAY } })).responses[0];
    const bare = execFileSync(process.execPath, ["-p", PRINTED], { encoding: "utf8" });
    expect((await ask("/"))?.text()).toBe(bare.trim());
    expect(mapsOf(await program.worker()).includes("/ledger.")).toBe(isMapped);
    const answer = await ask("/kill");
    expect(answer?.status).toBe(503);
    expect(answer?.text()).toContain(RAY.slice(0, 16));
    expect(program.stderr).not.toMatch(/FFI/);
  });

  it("that cannot be written any more says nothing, and nobody falls over it", async () => {
    const program = Program.start("app.mjs", SERVER, { keeper: [] });
    const [port = 0] = await program.ports();
    const pid = await program.worker();
    const idle = connect(port, "127.0.0.1");
    const how = new Promise((resolve) => {
      idle.on("error", ({ code }: NodeJS.ErrnoException) => resolve(code));
      idle.on("end", () => resolve("end"));
    });
    idle.resume().write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect((await exchange({ port }, { path: "/fail" })).responses[0]?.status).toBe(200);
    await expect.poll(() => program.lines(MESSAGES.recorderOff).length, { timeout: 20_000 }).toBe(1);
    expect(mapsOf(pid).includes("/ledger.")).toBe(false);
    expect((await exchange({ port }, { path: "/" })).responses[0]?.status).toBe(200);
    process.kill(pid, "SIGKILL");
    expect(await how).toBe("ECONNRESET"); // it may be anything
  });
});

const RAY = "8f1c2d3e00000000-FRA";
const PRINTED = 'JSON.stringify(Object.getOwnPropertyDescriptor(process, "emitWarning")) + process.emitWarning.name';
