import { execFile, execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import fastify from "fastify";
import { type Logger, pino, symbols } from "pino";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import rayguard from "../adapters/fastify.js";
import { createGuard } from "../src/index.js";
import { flushLines } from "../src/report/line-batch.js";
import type { RequestRecord } from "../src/report/log.js";
import { writeRequestLine } from "../src/report/request-line.js";
import { exchange } from "../src/testing/index.js";
import { program } from "./helpers/program.js";
import { listen } from "./testing/servers.js";

vi.mock("../src/clock.js", () => import("./helpers/global-clock.js"));

const RECORD: RequestRecord = {
  ray: null,
  colo: null,
  clientIp: null,
  verified: false,
  method: "GET",
  url: "/",
  status: 200,
  octets: 0,
  ms: 1,
  outcome: "intact",
};

/** Long enough for a line that is to be seen waiting. */
const LONG_MS = 3_600_000;

/** A logger that writes to a file, and what has come there. */
function logged(options: Partial<Parameters<typeof pino.destination>[0] & object> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "rayguard-batch-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const dest = join(folder, "log");
  const destination = pino.destination({ dest, sync: true, ...options });
  let writes = 0;
  destination.on("write", () => writes++);
  const logger = pino({ base: null }, destination);
  const lines = () =>
    readFileSync(dest, "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { msg: string; url?: string });
  return {
    logger,
    destination,
    dest,
    lines,
    urls: () => lines().map(({ msg, url }) => url ?? msg),
    count: () => writes,
  };
}

const destroy = (destination: object) => void Object.assign(destination, { destroyed: true });

const write = (logger: Logger, url: string, ms = LONG_MS) => writeRequestLine(logger, { ...RECORD, url }, ms, true);

afterEach(() => {
  flushLines();
  vi.useRealTimers();
});

describe("lines of requests", () => {
  it("are written together, at most as much later as they may be", () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { logger, urls, count } = logged();
    for (let n = 0; n < 50; n++) write(logger, `/${n}`, 10);
    vi.advanceTimersByTime(9);
    expect(urls()).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(urls()).toEqual(Array.from({ length: 50 }, (_, n) => `/${n}`));
    expect(count()).toBeLessThan(10);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("wait as long as the guard in the greatest hurry allows", () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { logger, urls } = logged();
    write(logger, "/slow", 1_000);
    write(logger, "/quick", 5);
    vi.advanceTimersByTime(5);
    expect(urls()).toEqual(["/slow", "/quick"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("are written once there are 32 KiB of them", () => {
    const { logger, urls } = logged();
    const url = `/${"x".repeat(1_000)}`;
    for (let n = 0; n < 25; n++) write(logger, url);
    expect(urls()).toHaveLength(0);
    for (let n = 0; n < 10; n++) write(logger, url);
    expect(urls().length).toBeGreaterThan(25);
  });

  it.skipIf(process.platform === "win32")("reach a pipe in writes that no other process can come between", async () => {
    const folder = mkdtempSync(join(tmpdir(), "rayguard-batch-"));
    execFileSync("mkfifo", [join(folder, "pipe")]);
    const fd = openSync(join(folder, "pipe"), constants.O_RDWR | constants.O_NONBLOCK);
    onTestFinished(() => {
      closeSync(fd);
      rmSync(folder, { recursive: true });
    });
    const { logger, destination } = logged({ dest: fd });
    const writes: number[] = [];
    destination.on("write", (octets) => writes.push(octets));
    for (let n = 0; n < 100; n++) write(logger, `/${n}`);
    logger.info("app");
    expect(writes.length).toBeGreaterThan(3);
    expect(writes.length).toBeLessThan(10);
    for (const octets of writes) expect(octets).toBeLessThanOrEqual(4_096);
    const read = Buffer.alloc(1 << 16);
    const text = read.toString("utf8", 0, readSync(fd, read));
    expect(text.match(/"url":"[^"]*"/g)).toHaveLength(100);
    expect(text).toMatch(/"msg":"app"}\n$/);
  });

  it("are each written at once with logBatchMs 0, and leave the destination as it is", () => {
    const { logger, urls, destination } = logged();
    const native = destination.write;
    write(logger, "/1", 0);
    expect(urls()).toEqual(["/1"]);
    write(logger, "/2", 0);
    expect(urls()).toEqual(["/1", "/2"]);
    expect(destination.write).toBe(native);
  });

  it("keep no process alive, and no timer once they are out", async () => {
    const { logger, urls } = logged();
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    write(logger, "/", 5);
    expect(timers()).toBe(before);
    while (urls().length === 0) await wait(5);
  });
});

describe("no line overtakes another one on its way to the same destination", () => {
  it.each<[what: string, options: object, write: (log: ReturnType<typeof logged>) => void]>([
    ["a line of the app", {}, ({ logger }) => logger.info("app")],
    ["a line of a child", {}, ({ logger }) => logger.child({ a: 1 }).warn("app")],
    ["a fatal line", {}, ({ logger }) => logger.fatal("app")],
    ["what is written to the destination itself", {}, ({ destination }) => void destination.write('{"msg":"app"}\n')],
    ["a line of another logger", {}, ({ destination }) => pino({ name: "other" }, destination).info("app")],
    ["a line of a guard that does not batch", {}, ({ logger }) => write(logger, "app", 0)],
  ])("%s", (_what, options, act) => {
    const log = logged(options);
    const expected: string[] = [];
    for (let n = 0; n < 5; n++) {
      write(log.logger, `/${n}`);
      write(log.logger, `/${n}b`);
      act(log);
      expected.push(`/${n}`, `/${n}b`, "app");
      expect(log.urls()).toEqual(expected);
    }
  });

  it.each<[what: string, act: (log: ReturnType<typeof logged>) => unknown]>([
    ["flush() of the logger", ({ logger }) => logger.flush()],
    ["flushSync() of the destination", ({ destination }) => destination.flushSync()],
    ["reopen() of the destination", ({ destination }) => destination.reopen()],
    ["end() of the destination", ({ destination }) => destination.end()],
    ["destroy() of the destination", ({ destination }) => destination.destroy()],
    ["close() of a guard", () => createGuard({ logger: false }).close()],
  ])("and %s leaves none behind", (_what, act) => {
    const log = logged();
    write(log.logger, "/1");
    write(log.logger, "/2");
    expect(log.urls()).toEqual([]);
    act(log);
    expect(log.urls()).toEqual(["/1", "/2"]);
  });

  it("of an app on Fastify, whose own lines are about the same requests", async () => {
    const atOnce = await linesOfFastify(0);
    expect(atOnce).toHaveLength(3 * 4);
    expect(await linesOfFastify(LONG_MS)).toEqual(atOnce);
  });

  async function linesOfFastify(logBatchMs: number): Promise<string[]> {
    const log = logged();
    const app = fastify({ loggerInstance: log.logger });
    await app.register(rayguard, { logBatchMs });
    app.get("/:n", async (request) => {
      request.log.info(`handled ${request.url}`);
      return "ok";
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    onTestFinished(() => app.close());
    for (let n = 0; n < 3; n++) await exchange(app.server, { path: `/${n}` });
    app.rayguard.close();
    return log.urls().slice(1);
  }

  it("of the incident of a request", async () => {
    const log = logged();
    const guard = createGuard({ logger: log.logger, logBatchMs: LONG_MS });
    const server = await listen(
      guard.attach(
        createServer((request, response) => {
          if (request.url === "/fail") throw new Error("failed");
          response.end();
        }),
      ),
    );
    await exchange(server, { path: "/1" });
    await exchange(server, { path: "/fail" });
    expect(log.lines()).toMatchObject([
      { msg: "request", url: "/1" },
      { msg: "incident", url: "/fail", code: "HANDLER_ERROR" },
    ]);
    guard.close();
    expect(log.urls()).toEqual(["/1", "/fail", "/fail"]);
  });
});

it("an incident brings out what waits for other destinations, too", async () => {
  const log = logged();
  write(log.logger, "/1");
  const guard = createGuard({ logger: logged().logger });
  const server = await listen(guard.attach(createServer((_request, response) => void response.writeHead(502).end())));
  await exchange(server, { path: "/fail" });
  expect(log.urls()).toEqual(["/1"]);
});

describe("a destination", () => {
  it("that fails harms neither the app nor the process", () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const warnings = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const { logger, destination } = logged();
    write(logger, "/1", 5);
    write(logger, "/2", 5);
    destroy(destination);
    vi.advanceTimersByTime(5);
    expect(warnings).toHaveBeenCalledTimes(1);
    expect(String(warnings.mock.calls[0]?.[0])).toContain("destroyed");
    warnings.mockRestore();
  });

  it("that fails throws to the app what it has done wrong itself", () => {
    const warnings = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const { logger, destination } = logged();
    write(logger, "/1");
    destroy(destination);
    expect(() => destination.write("app")).toThrow("SonicBoom destroyed");
    warnings.mockRestore();
  });

  it("looks and answers as before", () => {
    const { logger, destination } = logged();
    const { destination: other } = logged();
    write(logger, "/1");
    for (const name of ["write", "flush", "flushSync", "end", "destroy", "reopen"] as const) {
      const [ours, theirs] = [destination[name], other[name]];
      expect({ name: ours.name, length: ours.length }).toEqual({ name: theirs.name, length: theirs.length });
    }
    expect(Object.keys(destination)).toEqual(Object.keys(other));
    expect(destination.write("x\n")).toBe(other.write("x\n"));
  });

  it("whose lines somebody looks at gets them one by one, from then on", () => {
    const { logger, destination, urls } = logged();
    const seen: string[] = [];
    write(logger, "/0");
    write(logger, "/1");
    const native = destination.write;
    destination.write = (text) => {
      seen.push(text);
      return native.call(destination, text);
    };
    for (let n = 2; n < 5; n++) write(logger, `/${n}`);
    expect(urls()).toEqual(["/0", "/1", "/2", "/3", "/4"]);
    expect(seen).toHaveLength(5);
    for (const line of seen) expect(line).toMatch(/^[^\n]*\n$/);
  });

  it("that drops what is too much for it gets its lines one by one", () => {
    const { logger, urls } = logged({ maxLength: 100_000 });
    write(logger, "/1");
    expect(urls()).toEqual(["/1"]);
  });

  it("that takes octets somewhere else gets its lines one by one", () => {
    const { logger } = logged();
    const seen: string[] = [];
    (logger as unknown as Record<symbol, unknown>)[symbols.streamSym] = { write: (text: string) => seen.push(text) };
    write(logger, "/1");
    expect(seen).toHaveLength(1);
  });
});

/** Ways to end that give a process the time to say its last. */
const ORDERLY = ["of itself", "process.exit()", "an uncaught exception", "SIGTERM"];

/** A batch is written before such an end whatever its destination keeps for later by itself. */
const SUDDEN = ["drain(), then death", "close() of the guard, then death", "an incident, then death"];

const LAST_WORDS: Record<string, readonly string[]> = {
  default: [...ORDERLY, ...SUDDEN],
  fastify: [...ORDERLY, ...SUDDEN],
  asynchronous: [...ORDERLY, ...SUDDEN],
  synchronous: [
    ...[...ORDERLY, ...SUDDEN, "an unhandled rejection", "process.exit() of an exit listener"],
    ...["an uncaught exception that aborts", "a flush of the logger, then death", "a fatal line, then death"],
  ],
  buffering: ORDERLY,
  transport: ["process.exit()"],
};

describe.each(Object.keys(LAST_WORDS))("the lines that wait at the end of a process (logger: %s)", (destination) => {
  it.each(LAST_WORDS[destination] ?? [])("are out: %s", async (end) => {
    expect(await urlsOf(destination, end)).toEqual(expect.arrayContaining(["/0", "/1", "/2", "/3", "/4"]));
  });
});

it.each(["synchronous", "fastify"])(
  "what kills a process at once takes with it what waits (logger: %s)",
  async (logger) => {
    expect(await urlsOf(logger, "death")).toEqual([]);
  },
);

async function urlsOf(destination: string, end: string): Promise<(string | undefined)[]> {
  const script = await program(new URL("helpers/batching-origin.ts", import.meta.url));
  const stdout = await new Promise<string>((resolve) => {
    execFile(process.execPath, [script, destination, end], (_error, stdout) => resolve(stdout));
  });
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { msg: string; url: string })
    .filter(({ msg }) => msg === "request")
    .map(({ url }) => url);
}
