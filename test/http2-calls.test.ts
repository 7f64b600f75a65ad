import { closeSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  CallOrigin,
  isBroken,
  isOpen,
  isWhole,
  type Objects,
  peerResets,
  type Shown,
  type Step,
  turns,
} from "./helpers/http2-calls.js";

vi.setConfig({ testTimeout: 30_000, maxConcurrency: 16 });

const FILE = join(tmpdir(), `rayguard-calls-${process.pid}`);
writeFileSync(FILE, "a file");

const LINK = "</a>; rel=preload";

type Stream = Objects["stream"];
const on =
  (act: (stream: Stream) => unknown): Step =>
  ({ stream }) =>
    act(stream);

/** Notes that something was called back. */
const told = (stream: Stream, error?: Error | null) =>
  stream.emit("prefinish", new Error(`called back ${error?.message}`));
const wait = (ms: number) => () => new Promise((resolve) => setTimeout(resolve, ms));

/** What the app has done before. */
const STATES: Readonly<Record<string, readonly Step[]>> = {
  fresh: [],
  responded: [on((s) => s.respond({ ":status": 200, "x-a": "1" }))],
  "responded, out": [on((s) => s.respond({ ":status": 200, "x-a": "1" })), wait(40)],
  "responded for trailers": [on((s) => s.respond({ ":status": 200 }, { waitForTrailers: true }))],
  "responded with 204": [on((s) => s.respond({ ":status": 204 }))],
  "responded with 304": [on((s) => s.respond({ ":status": 304 }))],
  "responded, endStream": [on((s) => s.respond({ ":status": 200 }, { endStream: true }))],
  "responded, endStream, later": [on((s) => s.respond({ ":status": 200 }, { endStream: true })), turns],
  written: [on((s) => s.respond({ ":status": 200 })), on((s) => s.write("part"))],
  "written alone": [on((s) => s.write("part"))],
  "responded, too short": [on((s) => s.respond({ ":status": 200, "content-length": 9 }))],
  ended: [on((s) => s.respond({ ":status": 200 })), on((s) => s.end("whole"))],
  "ended, later": [on((s) => s.respond({ ":status": 200 })), on((s) => s.end("whole")), turns],
  "ended alone": [on((s) => s.end("whole"))],
  "ended empty": [on((s) => s.end())],
  "ended empty, later": [on((s) => s.end()), turns],
  "a file": [on((s) => s.respondWithFile(FILE))],
  "a file, later": [on((s) => s.respondWithFile(FILE)), turns],
  closed: [on((s) => s.close())],
  "closed, later": [on((s) => s.close()), turns],
  "closed with CANCEL": [on((s) => s.close(8))],
  "closed with INTERNAL_ERROR": [on((s) => s.close(2))],
  destroyed: [on((s) => s.destroy())],
  "destroyed with an error": [on((s) => s.destroy(new Error("mine")))],
  "destroyed, later": [on((s) => s.destroy()), turns],
  "reset by the client": [peerResets(8)],
  "reset by the client, NO_ERROR": [peerResets(0)],
  "reset by the client, an error": [peerResets(2)],
  "responded, reset by the client": [on((s) => s.respond()), peerResets(8)],
  "written, reset by the client": [on((s) => s.respond()), on((s) => s.write("x")), peerResets(8)],
};

/** What it does then. */
const CALLS: Readonly<Record<string, (stream: Stream) => unknown>> = {
  nothing: () => undefined,
  "respond()": (s) => s.respond(),
  "respond(204)": (s) => s.respond({ ":status": 204 }),
  "respond, endStream": (s) => s.respond({ ":status": 201 }, { endStream: true }),
  "respond(600)": (s) => s.respond({ ":status": 600 }),
  "respond(null)": (s) => s.respond(null),
  "respond({}, null)": (s) => s.respond({}, null),
  "respondWithFile()": (s) => s.respondWithFile(FILE),
  "respondWithFile(none)": (s) => s.respondWithFile("/none"),
  "respondWithFile(5)": (s) => s.respondWithFile(5, 5),
  "respondWithFile(null)": (s) => s.respondWithFile(null),
  "respondWithFile(204)": (s) => s.respondWithFile(FILE, { ":status": 204 }),
  "respondWithFD()": (s) => {
    const fd = openSync(FILE, "r");
    files.push(fd);
    s.respondWithFD(fd);
  },
  "respondWithFD(999)": (s) => s.respondWithFD(999),
  "respondWithFD(text)": (s) => s.respondWithFD("x"),
  "respondWithFD({ length: text })": (s) => s.respondWithFD(5, {}, { length: "x" }),
  "additionalHeaders(103)": (s) => s.additionalHeaders({ ":status": 103, link: LINK }),
  "additionalHeaders(200)": (s) => s.additionalHeaders({ ":status": 200 }),
  "additionalHeaders(5)": (s) => s.additionalHeaders(5),
  "pushStream()": (s) =>
    s.pushStream({ ":path": "/p" }, (error: Error | null, pushed: Stream) => {
      if (error) return told(s, error);
      pushed.on("error", () => {});
      pushed.respond();
      pushed.end("pushed");
    }),
  "pushStream(5)": (s) => s.pushStream(5, () => {}),
  "pushStream({})": (s) => s.pushStream({}),
  "write(text)": (s) => s.write("x"),
  "write(null)": (s) => s.write(null),
  "write(5)": (s) => s.write(5),
  "write, encoding": (s) => s.write("x", "none"),
  "write('')": (s) => s.write(""),
  "write, called back": (s) => s.write("x", (error?: Error) => told(s, error)),
  "end()": (s) => s.end(),
  "end(text)": (s) => s.end("y"),
  "end(5)": (s) => s.end(5),
  "end, called back": (s) => s.end((error?: Error) => told(s, error)),
  "end(text), called back": (s) => s.end("y", (error?: Error) => told(s, error)),
  "close()": (s) => s.close(),
  "close(CANCEL)": (s) => s.close(8),
  "close(INTERNAL_ERROR)": (s) => s.close(2),
  "close(REFUSED_STREAM)": (s) => s.close(7),
  "close(1.5)": (s) => s.close(1.5),
  "close(-1)": (s) => s.close(-1),
  "close(text)": (s) => s.close("x"),
  "close(2 ** 40)": (s) => s.close(2 ** 40),
  "close(undefined, 5)": (s) => s.close(undefined, 5),
  "close, called back": (s) => s.close(0, () => told(s)),
  "destroy()": (s) => s.destroy(),
  "destroy(error)": (s) => s.destroy(new Error("own")),
  "destroy(null, cb)": (s) => s.destroy(null, (error?: Error) => told(s, error)),
  "sendTrailers()": (s) => s.sendTrailers(),
  "sendTrailers({})": (s) => s.sendTrailers({}),
  "sendTrailers, on wantTrailers": (s) => s.on("wantTrailers", () => s.sendTrailers({ "x-sum": "1" })),
  "close, on wantTrailers": (s) => s.on("wantTrailers", () => s.close()),
  "setTimeout(5)": (s) => s.setTimeout(5),
  "setTimeout(text)": (s) => s.setTimeout("x"),
  "cork, write, uncork": (s) => {
    s.cork();
    const value = s.write("x");
    s.uncork();
    return value;
  },
  "priority({})": (s) => s.priority({}),
};

/** Bare Node itself crashes where it sends a file behind the end of the stream, or is to stop while it reads one. */
const CRASHES = /^(?:ended empty.*|.*reset by the client.*) \| respondWithF|^a file.* \| (?:end|close|destroy)/;
/** The app takes back what it has begun. Where that is all there is, bare Node may end it as if it were complete. */
const TAKEN_BACK =
  /^(?:(?:responded(?: for trailers|, out|, too short)?|written.*) \| close\([A-Z_]+\)|written.* \| close(?:\(\)|, called back))$/;
/** Whether a reset waits for what is written and read is left open: Node has changed its mind about that. */
const RESET = / \| close\([A-Z_]+\)$/;

/** A broken answer that the guard replaces, and a reset that it sends behind the end: told in another order. */
const REORDERED = /^responded, too short \| end|^ended.* \| close\(CANCEL\)/;

const origins = [
  new CallOrigin("core", "bare"),
  new CallOrigin("core", "enforce"),
  new CallOrigin("core", "report"),
] as const;
const files: number[] = [];

beforeAll(async () => {
  for (const origin of origins) await origin.listen();
});
afterAll(async () => {
  for (const origin of origins) await origin.close();
  for (const fd of files) closeSync(fd);
  rmSync(FILE);
});

const all = Object.keys(STATES).flatMap((state) => Object.keys(CALLS).map((call) => `${state} | ${call}`));
const BRIEFLY =
  /^(?:fresh|responded(?: with 204|, too short)?|written|ended|closed with CANCEL|destroyed) \| (?:nothing|respond\(\)|write\(text\)|end|close|destroy)/;
const CASES: Readonly<Record<string, readonly string[]>> = {
  GET: all,
  HEAD: all.filter((name) => BRIEFLY.test(name)),
  POST: all.filter((name) => BRIEFLY.test(name) && !/^responded, too short/.test(name)),
};

describe.each(Object.entries(CASES))("a call of the core API over HTTP/2: %s", (method, names) => {
  it.concurrent.each(names.filter((name) => !CRASHES.test(name)))("is as without the guard: %s", async (name) => {
    const [state, call] = name.split(" | ") as [string, string];
    const steps = [...(STATES[state] as Step[]), on(CALLS[call] as (stream: Stream) => unknown)];
    const upload = method === "POST" ? 100 : undefined;
    const [bare, enforced, reported] = (await Promise.all(
      origins.map((origin) => origin.show(method, steps, upload)),
    )) as [Shown, Shown, Shown];
    expect(reported).toEqual(bare);
    if (TAKEN_BACK.test(name))
      return void expect(isWhole(enforced.client, method) || isBroken(enforced.client)).toBe(true);
    if (RESET.test(name))
      for (const shown of [bare, enforced]) {
        shown.log = shown.log.filter((line) => !/^stream (?:end|prefinish|finish)$/.test(line));
        delete shown.state["stream.writableFinished"];
      }
    if (REORDERED.test(name)) for (const { log } of [bare, enforced]) log.sort();
    expect({ ...enforced, client: null }).toEqual({
      ...bare,
      client: null,
    });
    // What comes behind the end changes nothing.
    if (isWhole(bare.client, method))
      expect({ ...enforced.client, reset: null }).toEqual({ ...bare.client, reset: null });
    else if (!isOpen(enforced.client)) expect(isWhole(enforced.client, method) || isBroken(enforced.client)).toBe(true);
  });
});
