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

const LINK = "</a>; rel=preload";
type Any = Objects["stream"];
const on =
  (act: (r: Any, q: Any, s: Any) => unknown): Step =>
  ({ response, request, stream }) =>
    act(response, request, stream);
/** Notes that something was called back. */
const told = (r: Any) => (error?: Error) => r.stream.emit("prefinish", new Error(`called back ${error?.message}`));
/** What the app has done before. */
const STATES: Readonly<Record<string, readonly Step[]>> = {
  fresh: [],
  head: [on((r) => r.writeHead(200, { "x-a": "1" }))],
  "head 204": [on((r) => r.writeHead(204))],
  "head 304": [on((r) => r.writeHead(304))],
  "head, length": [on((r) => r.writeHead(200, { "content-length": 4 }))],
  flushed: [on((r) => r.flushHeaders())],
  written: [on((r) => r.write("part"))],
  ended: [on((r) => r.end("whole"))],
  "ended, later": [on((r) => r.end("whole")), turns],
  "ended empty": [on((r) => r.end())],
  destroyed: [on((r) => r.destroy())],
  "destroyed, later": [on((r) => r.destroy()), turns],
  "destroyed with an error": [on((r) => r.destroy(new Error("mine")))],
  "request destroyed": [on((_r, q) => q.destroy())],
  "stream closed": [on((_r, _q, s) => s.close())],
  "stream closed, CANCEL": [on((_r, _q, s) => s.close(8))],
  "stream closed, later": [on((_r, _q, s) => s.close()), turns],
  reset: [peerResets(8)],
  "written, reset": [on((r) => r.write("part")), peerResets(8)],
};
/** What it does then. */
const CALLS: Readonly<Record<string, (r: Any, q: Any, s: Any) => unknown>> = {
  nothing: () => undefined,
  "writeHead(200)": (r) => r.writeHead(200),
  "writeHead(204)": (r) => r.writeHead(204),
  "writeHead(99)": (r) => r.writeHead(99),
  "writeHead(101)": (r) => r.writeHead(101),
  "writeHead(600)": (r) => r.writeHead(600),
  "writeHead(text)": (r) => r.writeHead("x"),
  "writeHead, a reason": (r) => r.writeHead(200, "fine", { "x-b": "2" }),
  "writeHead, pairs": (r) => r.writeHead(200, [["x-b", "2"]]),
  "writeHead, odd list": (r) => r.writeHead(200, ["x-b"]),
  "writeHead, bad name": (r) => r.writeHead(200, { "x b": "2" }),
  "writeHead, undefined": (r) => r.writeHead(200, { "x-b": undefined }),
  "writeHead, pseudo": (r) => r.writeHead(200, { ":path": "2" }),
  "statusCode = 99": (r) => (r.statusCode = 99),
  "statusCode = 101": (r) => (r.statusCode = 101),
  "statusCode = 700": (r) => (r.statusCode = 700),
  setHeader: (r) => r.setHeader("x-b", "2"),
  "setHeader, bad name": (r) => r.setHeader("x b", "2"),
  "setHeader, token": (r) => r.setHeader("x@b", "2"),
  "setHeader, undefined": (r) => r.setHeader("x-b", undefined),
  "setHeader, pseudo": (r) => r.setHeader(":status", 200),
  "setHeader, connection": (r) => r.setHeader("connection", "close"),
  appendHeader: (r) => r.appendHeader("x-b", "2"),
  removeHeader: (r) => r.removeHeader("x-a"),
  "removeHeader(5)": (r) => r.removeHeader(5),
  "write(text)": (r) => r.write("x"),
  "write(null)": (r) => r.write(null),
  "write(5)": (r) => r.write(5),
  "write, encoding": (r) => r.write("x", "none"),
  "write, called back": (r) => r.write("x", told(r)),
  "end()": (r) => r.end(),
  "end(text)": (r) => r.end("y"),
  "end(5)": (r) => r.end(5),
  "end, called back": (r) => r.end(told(r)),
  "end(text), called back": (r) => r.end("y", told(r)),
  "end, end": (r) => r.end("y").end("z"),
  "end, write": (r) => r.end("y").write("z"),
  "end, destroy": (r) => r.end("y").destroy(),
  "end, destroy(error)": (r) => r.end("y").destroy(new Error("own")),
  "end, close": (r) => r.end("y").stream.close(),
  "end, close(CANCEL)": (r) => r.end("y").stream.close(8),
  "destroy()": (r) => r.destroy(),
  "destroy(error)": (r) => r.destroy(new Error("own")),
  "request.destroy()": (_r, q) => q.destroy(),
  "request.destroy(error)": (_r, q) => q.destroy(new Error("own")),
  "stream.close()": (r) => r.stream.close(),
  "stream.close(CANCEL)": (r) => r.stream.close(8),
  "stream.destroy()": (r) => r.stream.destroy(),
  writeContinue: (r) => r.writeContinue(),
  writeProcessing: (r) => r.writeProcessing?.(),
  writeEarlyHints: (r) => r.writeEarlyHints({ link: LINK }),
  "writeEarlyHints, bad": (r) => r.writeEarlyHints({ link: "x" }),
  "writeEarlyHints(null)": (r) => r.writeEarlyHints(null),
  "writeEarlyHints, none": (r) => r.writeEarlyHints({ link: [] }),
  createPushResponse: (r) =>
    r.createPushResponse({ ":path": "/p" }, (error: Error | null, pushed: Any) => {
      if (error) return told(r)(error);
      pushed.stream.on("error", () => {});
      pushed.end("pushed");
    }),
  "createPushResponse, bad": (r) => r.createPushResponse({ ":path": "/p" }),
  addTrailers: (r) => r.addTrailers({ "x-sum": "1" }),
  "addTrailers, bad": (r) => r.addTrailers({ "x sum": "1" }),
  "addTrailers(null)": (r) => r.addTrailers(null),
  "setTrailer, pseudo": (r) => r.setTrailer(":path", "1"),
  "addTrailers, end": (r) => {
    r.addTrailers({ "x-sum": "1" });
    r.end("y");
  },
  flushHeaders: (r) => r.flushHeaders(),
  "setTimeout(5)": (r) => r.setTimeout(5),
  "socket.write": (r) => r.socket.write("x"),
  "socket.destroy": (r) => r.socket.destroy(),
  "socket.end": (r) => r.socket.end(),
  "cork, write": (r) => {
    r.cork();
    r.write("x");
    r.uncork();
  },
};

/** The app closes its whole answer, to which trailers are still to come: the guard has them go out first. */
const CLOSED_EARLY = /\| end, (?:write|destroy|close)|^ended \| (?:write|cork|.*destroy|stream\.|socket\.destroy)/;
const STREAM_EVENT = /^stream (?:prefinish|finish|wantTrailers|end)$/;
/** Whether there is anything to come behind content that is too short is left open. */
const SHORT = /^head, length \| (?:end|socket.end|addTrailers, end)/;

const origins = [
  new CallOrigin("compat", "bare"),
  new CallOrigin("compat", "enforce"),
  new CallOrigin("compat", "report"),
] as const;

beforeAll(async () => {
  for (const origin of origins) await origin.listen();
});
afterAll(async () => {
  for (const origin of origins) await origin.close();
});

const all = Object.keys(STATES).flatMap((state) => Object.keys(CALLS).map((call) => `${state} | ${call}`));
const BRIEFLY =
  /^(?:fresh|head 204|ended|destroyed|written) \| (?:nothing|write\(text\)|writeHead\(2|end|destroy|stream)/;
const CASES: Readonly<Record<string, readonly string[]>> = {
  GET: all,
  HEAD: all.filter((name) => BRIEFLY.test(name)),
  POST: all.filter((name) => BRIEFLY.test(name)),
};

/** What the app was told, as far as it is to be the same. */
function toldOf(name: string, { log, state }: Shown) {
  if (!CLOSED_EARLY.test(name) && !SHORT.test(name)) return { log, state };
  return { log: log.filter((line) => !STREAM_EVENT.test(line)).map((line) => line.replace(/ \{.*/, "")), state: null };
}

describe.each(Object.entries(CASES))("a call of the compatibility API over HTTP/2: %s", (method, names) => {
  it.concurrent.each(names)("is as without the guard: %s", async (name) => {
    const [state, call] = name.split(" | ") as [string, string];
    const steps = [...(STATES[state] as Step[]), on(CALLS[call] as Parameters<typeof on>[0])];
    const upload = method === "POST" ? 100 : undefined;
    const [bare, enforced, reported] = (await Promise.all(
      origins.map((origin) => origin.show(method, steps, upload)),
    )) as [Shown, Shown, Shown];
    expect(reported).toEqual(bare);
    expect(toldOf(name, enforced)).toEqual(toldOf(name, bare));
    // What comes behind the end changes nothing.
    if (isWhole(bare.client, method))
      expect({ ...enforced.client, reset: null }).toEqual({ ...bare.client, reset: null });
    else if (!isOpen(enforced.client)) expect(isWhole(enforced.client, method) || isBroken(enforced.client)).toBe(true);
  });
});
