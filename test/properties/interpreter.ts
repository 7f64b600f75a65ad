import { AsyncLocalStorage } from "node:async_hooks";
import type { IncomingMessage } from "node:http";
import { pipeline, Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Chunk, Delay, FieldLine, OddValue, Operation, Program, Raw, Thrown, Value } from "./program.js";

// biome-ignore lint/suspicious/noExplicitAny: programs misuse the API on purpose, so its types would only stand in the way
export type Misused = any;

/** What a program is given by the framework it runs on. */
export type Stage = {
  readonly req: IncomingMessage & Misused;
  readonly res: Misused;
  /** Answers in the framework's own words. */
  answer(how: "text" | "json" | "error" | "status" | "stream" | "nothing"): unknown;
  next(error?: unknown): unknown;
  /** What the framework answers by itself: nothing, errors, or everything a handler leaves open. */
  readonly answersFor: "nothing" | "errors" | "all";
};

/** Tells which run an error belongs to that nobody caught. */
export const currentRun = new AsyncLocalStorage<Run>();

/** A program under way, and what it has really done. */
export class Run {
  readonly program: Program;
  readonly done: Promise<void>;
  /** Content in the order in which `write` and `end` took it. */
  readonly content: Buffer[] = [];
  /** `end` has taken its last content. */
  ended = false;
  /** An error has reached the framework, or the framework was asked to answer: it may have answered by itself. */
  frameworkAnswers = false;
  /** Octets went to the socket by hand, or the socket itself was meddled with. */
  touchedSocket = false;
  /** Something besides `write` and `end` makes content. */
  otherContent = false;
  /** An error that asks for 404 was thrown. */
  threw404 = false;
  started = false;
  readonly #stops = new Set<() => void>();
  finish: () => void = () => {};

  constructor(program: Program) {
    this.program = program;
    this.done = new Promise((resolve) => {
      this.finish = resolve;
    });
  }

  onStop(stop: () => void): void {
    this.#stops.add(stop);
  }

  /** Frees what the program holds: sources that stall. */
  stop(): void {
    for (const stop of this.#stops) stop();
    this.finish();
  }
}

/** Runs a program as a request handler would; what it throws or rejects with at once is the handler's own. */
export function interpret(run: Run, stage: Stage): unknown {
  run.started = true;
  return currentRun.run(run, () =>
    run.program.style === "async" ? interpretAsync(run, stage) : interpretFrom(run, stage, 0),
  );
}

async function interpretAsync(run: Run, stage: Stage): Promise<void> {
  try {
    for (const operation of run.program.operations) {
      if (operation[0] === "delay") await wait(operation[1]);
      else await perform(run, stage, operation);
    }
  } catch (error) {
    run.frameworkAnswers ||= stage.answersFor !== "nothing";
    throw error;
  } finally {
    run.frameworkAnswers ||= stage.answersFor === "all";
    setImmediate(run.finish);
  }
}

function interpretFrom(run: Run, stage: Stage, start: number): unknown {
  const { operations } = run.program;
  let result: unknown;
  for (let at = start; at < operations.length; at++) {
    const operation = operations[at] as Operation;
    if (operation[0] === "delay") {
      later(operation[1], () => {
        try {
          ignore(interpretFrom(run, stage, at + 1));
        } catch {
          // the app's own fault, in a frame of its own
        }
      });
      if (result !== undefined) run.frameworkAnswers ||= stage.answersFor !== "nothing";
      return result;
    }
    try {
      const returned = perform(run, stage, operation);
      if (returned instanceof Promise) {
        ignore(result);
        result = returned;
      }
    } catch (error) {
      ignore(result);
      run.frameworkAnswers ||= stage.answersFor !== "nothing";
      setImmediate(run.finish);
      throw error;
    }
  }
  if (result !== undefined) run.frameworkAnswers ||= stage.answersFor !== "nothing";
  setImmediate(run.finish);
  return result;
}

/** A rejection nobody returns would be the app's own crash. */
function ignore(result: unknown): void {
  if (result instanceof Promise) result.catch(() => {});
}

function wait(delay: Delay): Promise<void> {
  return new Promise((resolve) => later(delay, resolve));
}

function later(delay: Delay, act: () => void): void {
  switch (delay) {
    case "tick":
      process.nextTick(act);
      break;
    case "microtask":
      queueMicrotask(act);
      break;
    case "immediate":
      setImmediate(act);
      break;
    default:
      setTimeout(act, Number.parseInt(delay, 10));
  }
}

function perform(run: Run, stage: Stage, operation: Operation): unknown {
  if (operation[1] === "404") run.threw404 = true;
  if (operation[0] === "throw") throw errorOf(operation[1]);
  if (operation[0] === "reject") return Promise.reject(errorOf(operation[1]));
  if (!run.program.lenient) return act(run, stage, operation);
  try {
    return act(run, stage, operation);
  } catch {
    return undefined;
  }
}

function act(run: Run, stage: Stage, operation: Operation): unknown {
  const { req, res } = stage;
  const { socket } = req;
  switch (operation[0]) {
    case "status":
      res.statusCode = realValue(operation[1]);
      return;
    case "reason":
      res.statusMessage = operation[1];
      return;
    case "set":
      return withValue(operation[2], (value) => void res.setHeader(operation[1], value));
    case "append":
      return withValue(operation[2], (value) => void res.appendHeader(operation[1], value));
    case "remove":
      return void res.removeHeader(operation[1]);
    case "writeHead":
      return writeHead(res, operation[1], operation[2], operation[3]);
    case "write":
      return write(run, res, operation[1]);
    case "end":
      return end(run, res, operation[1], operation[2] === "callback");
    case "flushHeaders":
      return void res.flushHeaders();
    case "cork":
      return void res.cork();
    case "uncork":
      return void res.uncork();
    case "trailers":
      return void res.addTrailers(objectOf(operation[1]));
    case "interim":
      return interim(res, operation[1]);
    case "destroy":
      return destroy(
        run,
        stage,
        operation[1],
        operation[2] === undefined ? undefined : new Error("destroyed by the program"),
      );
    // Over HTTP/2 these throw.
    case "socket.write":
      socket.write(RAW_OCTETS[operation[1]]);
      run.touchedSocket = true;
      return;
    case "socket.end":
      socket.end(RAW_OCTETS[operation[1]]);
      run.touchedSocket = true;
      return;
    case "pipe":
      return pipe(run, res, operation[1], operation[2]);
    case "on":
      return listen(run, res, operation[1], operation[2]);
    case "read":
      req.on("data", () => {});
      return;
    case "flag":
      return flag(run, stage, operation[1]);
    case "answer":
      run.frameworkAnswers = run.otherContent = true;
      return void stage.answer(operation[1]);
    case "next":
      run.frameworkAnswers = run.otherContent = true;
      return void stage.next(operation[1] === "error" ? new Error("secret of next") : undefined);
    default:
      return actOnStream(run, res.stream, operation);
  }
}

function actOnStream(run: Run, stream: Misused, operation: Operation): void {
  switch (operation[0]) {
    case "respond": {
      const [, lines, how] = operation;
      stream.respond(objectOf(lines), how === "plain" ? undefined : { [how]: true });
      if (how === "endStream") run.ended = true;
      return;
    }
    case "sendTrailers":
      return void stream.sendTrailers(objectOf(operation[1]));
    case "close":
      stream.close(operation[1], operation[2] === undefined ? undefined : () => {});
      // Node ends what it closes, and what has no content is complete.
      if (operation[1] === 0 && run.content.every(({ length }) => length === 0)) run.ended = true;
      return;
    case "file":
      return sendFile(run, stream, operation[1]);
    case "push":
      return void stream.pushStream({ ":path": "/pushed" }, () => {});
    case "session":
      return actOnSession(run, stream.session, operation[1]);
    default:
      throw new Error(`no operation ${operation[0]}`);
  }
}

/** The file that programs send. */
const FILE = fileURLToPath(import.meta.url);

function sendFile(run: Run, stream: Misused, how: "whole" | "part" | "missing" | "closed descriptor"): void {
  run.otherContent = true;
  if (how === "whole") stream.respondWithFile(FILE, { "content-type": "text/plain" });
  else if (how === "part") stream.respondWithFile(FILE, undefined, { offset: 7, length: 40 });
  else if (how === "missing") stream.respondWithFile("/no/such/file");
  else stream.respondWithFD(CLOSED_DESCRIPTOR);
}

/** So large a number that no file has it. */
const CLOSED_DESCRIPTOR = 1_000_000;

function actOnSession(run: Run, session: Misused, how: string): void {
  if (how === "destroy") session.destroy();
  else if (how === "destroy with error") session.destroy(new Error("destroyed by the program"));
  else if (how === "destroy with code") session.destroy(2);
  else if (how === "close") session.close();
  else if (how === "goaway") session.goaway();
  else session.goaway(2);
  run.touchedSocket = true;
}

// -- content -----------------------------------------------------------------------------------------------------

const BIG = "bigbigbi".repeat(12_800);

/** Arguments for `write` and `end`, and the octets they stand for; `null` where Node refuses them. */
function chunkOf(name: Chunk): { args: unknown[]; octets: Buffer | null } {
  switch (name) {
    case "text":
      return { args: ["hello"], octets: Buffer.from("hello") };
    case "buffer":
      return { args: [Buffer.from("bytes")], octets: Buffer.from("bytes") };
    case "octets":
      return { args: [new Uint8Array([65, 66, 67, 68, 69])], octets: Buffer.from("ABCDE") };
    case "hex":
      return { args: ["6865786564", "hex"], octets: Buffer.from("hexed") };
    case "utf16":
      return { args: ["utf16", "utf16le"], octets: Buffer.from("utf16", "utf16le") };
    case "empty":
      return { args: [""], octets: Buffer.alloc(0) };
    case "big":
      return { args: [BIG], octets: Buffer.from(BIG) };
    case "bad encoding":
      return { args: ["hello", "nonsense"], octets: Buffer.from("hello") };
    case "number":
      return { args: [42], octets: null };
    case "object":
      return { args: [{}], octets: null };
    case "null":
      return { args: [null], octets: null };
  }
}

function write(run: Run, res: Misused, name: Chunk): void {
  const { args, octets } = chunkOf(name);
  const takes = !res.writableEnded && !run.ended;
  res.write(...args);
  if (takes && octets !== null) run.content.push(octets);
}

function end(run: Run, res: Misused, name: Chunk | undefined, callback: boolean): void {
  const { args, octets } = name === undefined ? { args: [], octets: null } : chunkOf(name);
  const takes = !res.writableEnded && !run.ended;
  if (callback) args.push(() => {});
  res.end(...args);
  if (!takes) return;
  if (octets !== null) run.content.push(octets);
  run.ended = true;
}

function pipe(run: Run, res: Misused, how: string, by: "pipe" | "pipeline"): void {
  run.otherContent = true;
  const source = new Readable({ read() {} });
  run.onStop(() => source.destroy());
  source.on("error", () => {});
  if (how === "whole" || how.endsWith("later") || how === "stalls") source.push("piped");
  if (how === "big") for (const piece of [BIG, BIG, null]) source.push(piece);
  const fail = () => {
    if (how.startsWith("fails")) source.destroy(new Error("secret of the source"));
    else if (how.startsWith("destroyed")) source.destroy();
    else if (how === "whole") source.push(null);
  };
  const sink = res.sink ?? res;
  if (by === "pipe") source.pipe(sink);
  else pipeline(source, sink, () => {});
  if (how.endsWith("first")) process.nextTick(fail);
  else setTimeout(fail, 5);
}

function listen(
  run: Run,
  res: Misused,
  event: "finish" | "close" | "error",
  how?: "end" | "write" | "destroy" | "setHeader",
): void {
  if (event === "error") {
    res.on("error", () => {});
    return;
  }
  res.on(event, () => {
    try {
      if (how === "end") end(run, res, "text", false);
      else if (how === "write") write(run, res, "text");
      else if (how === "destroy") res.destroy();
      else res.setHeader("X-Late", "1");
    } catch {
      // the app's own fault, in a frame of its own
    }
  });
}

// -- header section ------------------------------------------------------------------------------------------------

/** Gives `use` the value, which may change right afterwards. */
function withValue(value: Value, use: (value: unknown) => void): void {
  const real = realValue(value);
  use(real);
  if (typeof value !== "object") return;
  if (value.odd === "list that changes") (real as string[]).push("x\r\nContent-Length: 1\r\n\r\nevil");
  if (value.odd === "object that changes") (real as { changed: boolean }).changed = true;
}

function realValue(value: Value): unknown {
  if (typeof value !== "object") return value;
  return ODD[value.odd]();
}

const ODD: Record<OddValue, () => unknown> = {
  null: () => null,
  undefined: () => undefined,
  NaN: () => Number.NaN,
  object: () => ({}),
  list: () => ["a", "b"],
  "list of numbers": () => [5, 5],
  "empty list": () => [],
  "list that changes": () => ["a"],
  "object that changes": () => ({
    changed: false,
    toString(this: { changed: boolean }) {
      return this.changed ? "x\r\n\r\nevil" : "calm";
    },
  }),
  "CR LF": () => "a\r\nContent-Length: 0\r\n\r\n",
  NUL: () => "a\0b",
  wide: () => "wide \u2713",
  big: () => "v".repeat(20_000),
  huge: () => "v".repeat(200_000),
};

function objectOf(lines: readonly FieldLine[]): Record<string, unknown> {
  return Object.fromEntries(lines.map(([name, value]) => [name, realValue(value)]));
}

function writeHead(res: Misused, status: Value, how: "object" | "flat" | "reason", lines: readonly FieldLine[]): void {
  const code = realValue(status);
  if (how === "flat")
    res.writeHead(
      code,
      lines.flatMap(([name, value]) => [name, realValue(value)]),
    );
  else if (how === "reason") res.writeHead(code, "Chosen", objectOf(lines));
  else res.writeHead(code, objectOf(lines));
}

function interim(res: Misused, kind: "100" | "102" | "103" | "103 bad"): void {
  if (kind === "100") res.writeContinue();
  else if (kind === "102") res.writeProcessing();
  else if (kind === "103") res.writeEarlyHints({ link: "</a.css>; rel=preload; as=style" });
  else res.writeEarlyHints({ link: "</a.css>; rel=preload; as=style", "x-bad": "a\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" });
}

// -- violence ------------------------------------------------------------------------------------------------------

function destroy(run: Run, { req, res }: Stage, what: string, error: Error | undefined): void {
  const { socket } = req;
  if (what === "res") res.destroy(error);
  else if (what === "req") req.destroy(error);
  else {
    run.touchedSocket = true;
    if (what === "socket") socket.destroy(error);
    else if (what === "socket soon") socket.destroySoon();
    else socket.resetAndDestroy();
  }
}

const RAW_OCTETS: Record<Raw, string> = {
  garbage: "garbage\r\n\r\n",
  response: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nraw!",
  "response without length": "HTTP/1.1 200 OK\r\n\r\nraw!",
  "response in part": "HTTP/1.1 200 OK\r\nContent-Le",
  "closing response": "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
  "chunked response": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nraw!\r\n0\r\n\r\n",
  "wrong length": "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nraw!",
  "empty line": "\r\n",
  nothing: "",
};

function errorOf(kind: Thrown): unknown {
  switch (kind) {
    case "error":
      return new Error("secret of the program");
    case "404":
      return Object.assign(new Error("secret of the program"), { status: 404 });
    case "bad headers":
      return Object.assign(new Error("secret of the program"), {
        status: 503,
        headers: { "X-Bad": "a\r\nb", "Retry-After": "9" },
      });
    case "null":
      return null;
    case "string":
      return "secret of the program";
  }
}

function flag(run: Run, { req, res }: Stage, name: string): void {
  switch (name) {
    case "sendDate":
      res.sendDate = false;
      break;
    case "shouldKeepAlive":
      res.shouldKeepAlive = false;
      break;
    case "strictContentLength":
      res.strictContentLength = true;
      break;
    case "useChunkedEncodingByDefault":
      res.useChunkedEncodingByDefault = false;
      break;
    case "socket.cork":
      run.touchedSocket = true;
      req.socket.cork();
      break;
    case "res.setTimeout":
      run.touchedSocket = true; // the timeout stays on the socket
      res.setTimeout(20);
      break;
    case "socket.setTimeout":
      run.touchedSocket = true;
      req.socket.setTimeout(20);
      break;
    case "detachSocket":
      run.touchedSocket = true;
      res.detachSocket(req.socket);
      break;
    case "deadline":
      req.rayguard?.deadline(40);
      break;
  }
}
