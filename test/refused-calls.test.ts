import { createServer, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { parseResponse } from "../src/testing/index.js";

// biome-ignore lint/suspicious/noExplicitAny: the calls are wrong on purpose
type Response = any;

const hostile = {
  toString() {
    throw new Error("mine");
  },
};
const TRAILER = { Trailer: "X-Sum" };

/** Calls that bare Node refuses, in some state of the response. The first function makes the state. */
const CALLS: Record<string, ((res: Response) => unknown) | [(res: Response) => unknown, (res: Response) => unknown]> = {
  "writeHead: Trailer beside Content-Length": (r) => r.writeHead(200, { ...TRAILER, "Content-Length": "5" }),
  "writeHead: Trailer in a list": (r) => r.writeHead(200, ["Content-Length", "5", "Trailer", "X-Sum"]),
  "writeHead: Trailer with 204": (r) => r.writeHead(204, TRAILER),
  "writeHead: Trailer with 304": (r) => r.writeHead(304, TRAILER),
  "writeHead: Trailer beside another coding": (r) => r.writeHead(200, { ...TRAILER, "Transfer-Encoding": "gzip" }),
  "writeHead: Trailer without Transfer-Encoding": [
    (r) => r.removeHeader("transfer-encoding"),
    (r) => r.writeHead(200, TRAILER),
  ],
  "writeHead: Trailer": (r) => r.writeHead(200, TRAILER),
  "write: Trailer beside Content-Length": [framedWithTrailer, (r) => r.write("hello")],
  "end: Trailer beside Content-Length": [framedWithTrailer, (r) => r.end("hello")],
  "flushHeaders: Trailer beside Content-Length": [framedWithTrailer, (r) => r.flushHeaders()],
  "writeHead: status 99": (r) => r.writeHead(99),
  "writeHead: status 1000": (r) => r.writeHead(1000),
  "writeHead: status abc": (r) => r.writeHead("abc"),
  "writeHead: CR LF in the reason": (r) => r.writeHead(200, "a\r\nb"),
  "writeHead: undefined": (r) => r.writeHead(200, { "X-A": undefined }),
  "writeHead: CR LF": (r) => r.writeHead(200, { "X-A": "a\r\nb" }),
  "writeHead: a bad name": (r) => r.writeHead(200, { "X A": "a" }),
  "writeHead: an empty name": (r) => r.writeHead(200, { "": "a" }),
  "writeHead: undefined in a list": (r) => r.writeHead(200, { "X-A": ["a", undefined] }),
  "writeHead: LF in a list": (r) => r.writeHead(200, { "X-A": ["a", "b\n"] }),
  "writeHead: LF in a cookie": (r) => r.writeHead(200, { "Set-Cookie": ["a=1", "b\n"] }),
  "writeHead: a symbol": (r) => r.writeHead(200, { "X-A": Symbol("x") }),
  "writeHead: no text": (r) => r.writeHead(200, { "X-A": Object.create(null) }),
  "writeHead: a text that throws": (r) => r.writeHead(200, { "X-A": hostile }),
  "writeHead: a text with LF": (r) => r.writeHead(200, { "X-A": { toString: () => "a\nb" } }),
  "writeHead: a getter that throws": (r) =>
    r.writeHead(200, {
      get "X-A"() {
        throw new Error("mine");
      },
    }),
  "writeHead: an odd list": (r) => r.writeHead(200, ["X-A", "b", "c"]),
  "writeHead: pairs with LF": (r) => r.writeHead(200, [["X-A", "b\n"]]),
  "writeHead: bad among good": (r) => r.writeHead(200, { "Content-Length": "99", Connection: "close", "X-A": "\n" }),
  "writeHead: bad behind a coding": (r) => r.writeHead(200, { "Transfer-Encoding": "chunked", "X-A": "\n" }),
  "writeHead: undefined behind setHeader": [other, (r) => r.writeHead(200, { "X-A": undefined })],
  "writeHead: LF in a list behind setHeader": [other, (r) => r.writeHead(200, { "X-A": ["a", "b\n"] })],
  "writeHead: an odd list behind setHeader": [other, (r) => r.writeHead(200, ["X-A", "b", "c"])],
  "writeHead: twice": [(r) => r.writeHead(200), (r) => r.writeHead(201)],
  "end: a symbol in a list that was set": [spoiltList, (r) => r.end("x")],
  "end: status 99": [(r) => Object.assign(r, { statusCode: 99 }), (r) => r.end("x")],
  "flushHeaders: status x": [(r) => Object.assign(r, { statusCode: "x" }), (r) => r.flushHeaders()],
  "setHeader: CR LF": (r) => r.setHeader("X-A", "a\r\nb"),
  "setHeader: undefined": (r) => r.setHeader("X-A", undefined),
  "setHeader: a bad name": (r) => r.setHeader("X A", "b"),
  "setHeader: sent": [(r) => r.writeHead(200), (r) => r.setHeader("X-A", "b")],
  "removeHeader: sent": [(r) => r.writeHead(200), (r) => r.removeHeader("X-A")],
  "removeHeader: a number": (r) => r.removeHeader(5),
  "appendHeader: CR LF": (r) => r.appendHeader("X-A", "a\r\nb"),
  "appendHeader: LF in a list": (r) => r.appendHeader("X-A", ["a", "b\n"]),
  "appendHeader: sent": [(r) => r.writeHead(200), (r) => r.appendHeader("X-A", "b")],
  "setHeaders: a list": (r) => r.setHeaders(["a", "b"]),
  "setHeaders: LF in the second": (r) => r.setHeaders(new Map(Object.entries({ "X-B": "1", "X-A": "a\n" }))),
  "setHeaders: sent": [(r) => r.writeHead(200), (r) => r.setHeaders(new Map([["X-B", "1"]]))],
  "write: null": (r) => r.write(null),
  "write: nothing": (r) => r.write(),
  "write: a number": (r) => r.write(5),
  "write: an object": (r) => r.write({}),
  "end: a number": (r) => r.end(5),
  "end: an object": (r) => r.end({}),
  "write: ended": [(r) => r.end("x"), (r) => r.write("a")],
  "end: ended": [(r) => r.end("x"), (r) => r.end("a")],
  "writeHead: ended": [(r) => r.end("x"), (r) => r.writeHead(200)],
  "setHeader: ended": [(r) => r.end("x"), (r) => r.setHeader("X-A", "b")],
  "addTrailers: LF": (r) => r.addTrailers({ "X-A": "a\n" }),
  "addTrailers: a bad name": (r) => r.addTrailers({ "X A": "a" }),
  "addTrailers: null": (r) => r.addTrailers(null),
  "addTrailers: undefined": (r) => r.addTrailers(undefined),
  "addTrailers: a symbol": (r) => r.addTrailers({ "X-A": Symbol("x") }),
  "addTrailers: pairs with LF": (r) => r.addTrailers([["X-A", "a\n"]]),
  "writeEarlyHints: null": (r) => r.writeEarlyHints(null),
  "writeEarlyHints: text": (r) => r.writeEarlyHints("x"),
  "writeEarlyHints: no link": (r) => r.writeEarlyHints({ link: "x" }),
  "writeEarlyHints: a number": (r) => r.writeEarlyHints({ link: 5 }),
  "writeEarlyHints: sent": [(r) => r.writeHead(200), (r) => r.writeEarlyHints({ link: "</a>; rel=preload" })],
  "writeContinue: sent": [(r) => r.writeHead(200), (r) => r.writeContinue()],
  "strict: end too short": [strict, (r) => r.end("abc")],
  "strict: end too long": [strict, (r) => r.end("abcdefgh")],
  "strict: end empty": [strict, (r) => r.end()],
  "strict: write too long in pieces": [(r) => strict(r).write("abc"), (r) => r.write("defgh")],
  "strict: end too long in pieces": [(r) => strict(r).write("abc"), (r) => r.end("defgh")],
  "strict: short in pieces": [(r) => strict(r).write("abc"), (r) => r.end("d")],
  "strict: too long at once": [(r) => strict(r).write("abcdefgh"), (r) => r.end()],
  "strict: more behind too much": [(r) => strict(r).write("abcdefgh"), (r) => r.write("i")],
  "strict: more behind all of it": [(r) => strict(r).write("abcde"), (r) => r.end("f")],
  "strict: more behind all of it that is out": [allOut, (r) => r.end("f")],
  "too long": [(r) => r.setHeader("Content-Length", 5).write("abcdefgh"), (r) => r.write("i")],
  "setTimeout: text": (r) => r.setTimeout("x"),
  "assignSocket: twice": (r) => r.assignSocket(r.socket),
};

function framedWithTrailer(r: Response): void {
  r.setHeader("Content-Length", "5").setHeader("Trailer", "X-Sum");
}
function other(r: Response): void {
  r.setHeader("X-B", "1");
}
function spoiltList(r: Response): void {
  const list: unknown[] = ["a"];
  r.setHeader("X-A", list);
  list.push(Symbol.iterator);
}
function strict(r: Response): Response {
  return Object.assign(r, { strictContentLength: true }).setHeader("Content-Length", 5);
}
async function allOut(r: Response): Promise<void> {
  strict(r).write("abcde");
  await setTimeout(50);
}

/** What the app does once it has caught the exception. */
const NEXT: Record<string, ((res: Response) => unknown)[]> = {
  "another answer": [
    (r) => r.setHeader("X-Next", "1"),
    (r) => r.writeHead(418, { "Content-Type": "text/plain", "Content-Length": "4" }),
    (r) => r.write("ne"),
    (r) => r.end("xt"),
  ],
  "end()": [(r) => r.end()],
  "a chunked answer": [(r) => r.write("ne"), (r) => r.end("xt")],
};

/** What a call shows: a returned value, or what it throws. */
function shown(call: () => unknown): unknown {
  try {
    const value = call();
    return typeof value === "object" ? "an object" : value;
  } catch (thrown) {
    const { code, name, message } = thrown as Error & { code?: string };
    return [code ?? name, message];
  }
}

type Seen = { calls: unknown[]; state: unknown[]; octets: Buffer };

/** An origin that makes the calls named by the URL, and shows what came of each. */
class Origin {
  readonly server: Server;
  #seen: Omit<Seen, "octets"> = { calls: [], state: [] };

  constructor(mode: "bare" | "enforce" | "report") {
    const listener = (request: { url?: string | undefined }, response: ServerResponse) =>
      this.#answer(new URLSearchParams(request.url?.slice(2)), response);
    const guard = mode === "bare" ? undefined : createGuard({ logger: false, mode });
    this.server = createServer(guard === undefined ? listener : guard.listener(listener));
    guard?.attach(this.server);
  }

  async #answer(asked: URLSearchParams, response: ServerResponse): Promise<void> {
    response.on("error", () => {}); // ERR_STREAM_WRITE_AFTER_END
    const steps = CALLS[asked.get("call") as string] as NonNullable<(typeof CALLS)[string]>;
    const [before, call] = Array.isArray(steps) ? steps : [() => {}, steps];
    const made = before(response);
    if (made instanceof Promise) await made;
    const calls = [shown(() => call(response))];
    const { headersSent, statusCode, statusMessage, writableEnded } = response;
    const state = [headersSent, statusCode, statusMessage, writableEnded, response.getHeaders()];
    for (const step of NEXT[asked.get("next") ?? ""] ?? []) calls.push(shown(() => step(response)));
    this.#seen = { calls, state };
    if (!response.writableEnded) setImmediate(() => response.socket?.destroy());
  }

  async ask(method: string, call: string, next: string): Promise<Seen> {
    const { port } = this.server.address() as AddressInfo;
    const path = `/?${new URLSearchParams({ call, next })}`;
    const octets = await new Promise<Buffer>((resolve) => {
      const chunks: Buffer[] = [];
      const socket = connect(port, "127.0.0.1");
      socket.on("data", (chunk) => chunks.push(chunk));
      socket.on("error", () => {});
      socket.on("close", () => resolve(Buffer.concat(chunks)));
      socket.write(`${method} ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    });
    return { ...this.#seen, octets };
  }
}

const origins = [new Origin("bare"), new Origin("enforce"), new Origin("report")] as const;
const [bare, guarded, reporting] = origins;
beforeAll(async () => {
  for (const { server } of origins) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  }
});
afterAll(() => {
  for (const { server } of origins) server.close();
});

const text = (octets: Buffer) => octets.toString("latin1").replace(/^Date: .*$/m, "Date: now");
const isValid = (octets: Buffer, method: string) => {
  const response = parseResponse(octets, { end: "fin", method } as never);
  return response?.complete === true && response.problems.length === 0;
};

describe.each(["GET", "HEAD"])("a call that bare Node refuses: %s", (method) => {
  it.each(Object.keys(CALLS).flatMap((call) => Object.keys(NEXT).map((next) => [call, next] as const)))(
    "%s, then %s",
    async (call, next) => {
      const [alone, seen] = [await bare.ask(method, call, next), await guarded.ask(method, call, next)];
      expect(seen.calls).toEqual(alone.calls);
      expect(seen.state).toEqual(alone.state);
      if (isValid(alone.octets, method)) expect(text(seen.octets)).toBe(text(alone.octets));
      else expect(isValid(seen.octets, method), text(seen.octets)).toBe(true);
      const told = await reporting.ask(method, call, next);
      expect({ ...told, octets: text(told.octets) }).toEqual({ ...alone, octets: text(alone.octets) });
    },
  );
});
