import { tracingChannel } from "node:diagnostics_channel";
import { createRequire } from "node:module";
import { Writable } from "node:stream";
import fastify from "fastify";
import { type LoggerOptions, multistream, type Logger as Pino, pino, stdTimeFunctions } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Logger, RequestRecord } from "../src/report/log.js";
import { pinoLineOf } from "../src/report/pino-line.js";
import { writeRequestLine } from "../src/report/request-line.js";

/** A destination, and the chunks that have come to it. */
class Chunks extends Writable {
  readonly chunks: string[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.chunks.push(chunk.toString("utf16le"));
    done();
  }

  // pino hands over strings; as UTF-8 a lone surrogate would be lost.
  override write(chunk: unknown): boolean {
    return super.write(Buffer.from(String(chunk), "utf16le"));
  }

  take(): string[] {
    return this.chunks.splice(0);
  }
}

const RECORD: RequestRecord = {
  ray: "0123456789abcdef",
  colo: "AMS",
  clientIp: "2001:db8::7",
  verified: true,
  method: "GET",
  url: "/a?b=c",
  status: 200,
  octets: 45,
  ms: 12.3,
  outcome: "intact",
};

const TEXTS = [
  "",
  "/a?b=c&d=%20",
  'a "quoted" one',
  "a\\b",
  "/\u0000\u0007\b\t\n\f\r\u001b\u001f",
  "\u007f\u0080\u0085\u009f",
  "line\u2028and\u2029paragraph",
  "\ud800",
  "\udfff tail",
  `${"x".repeat(120)}\ud800`,
  `${"x".repeat(120)}"`,
  "é ü 漢 \u{1f600}",
  "x".repeat(100),
  "x".repeat(101),
  `/${"y".repeat(100_000)}`,
  "</script>",
  "'single'",
  "%s %d %j",
  "__proto__",
];

const NUMBERS = [0, -0, 1, 0.1, 1e21, 1e-7, 12.345, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, -1];

const RECORDS: RequestRecord[] = [
  RECORD,
  { ...RECORD, ray: null, colo: null, clientIp: null, verified: false },
  { ...RECORD, incident: "MC-2", outcome: "torn down" },
  { ...RECORD, incident: undefined } as never,
  { ...RECORD, verified: false, claimedIp: "192.0.2.1", direct: true },
  { ...RECORD, verified: false, direct: true },
  { ...RECORD, claimedIp: undefined, direct: undefined } as never,
  ...(["ray", "colo", "clientIp", "method", "url", "incident", "claimedIp"] as const).flatMap((name) =>
    TEXTS.map((text) => ({ ...RECORD, [name]: text })),
  ),
  ...(["status", "octets", "ms"] as const).flatMap((name) => NUMBERS.map((number) => ({ ...RECORD, [name]: number }))),
];

/** Loggers by what is particular about them. `renders`: the line is made here, and not by the logger. */
const LOGGERS: readonly [what: string, renders: boolean, make: (stream: Chunks) => Logger][] = [
  ["the defaults", true, (stream) => pino(stream)],
  ["no base", true, (stream) => pino({ base: null }, stream)],
  ["a base of its own", true, (stream) => pino({ base: { 'a"b': 'c"d', n: 1, o: { p: [1, "\u2028"] } } }, stream)],
  ["a name", true, (stream) => pino({ name: "the \\ app" }, stream)],
  ["no timestamp", true, (stream) => pino({ timestamp: false }, stream)],
  ["the time in ISO 8601", true, (stream) => pino({ timestamp: stdTimeFunctions.isoTime }, stream)],
  ["the time in seconds", true, (stream) => pino({ timestamp: stdTimeFunctions.unixTime }, stream)],
  ["a time of its own", true, (stream) => pino({ timestamp: () => ',"at":"now"' }, stream)],
  ["a prefix of messages", true, (stream) => pino({ msgPrefix: '[a "b" %s] ' }, stream)],
  ["a key that all fields are nested in", true, (stream) => pino({ nestedKey: 'in "it"' }, stream)],
  ["another message key", true, (stream) => pino({ messageKey: "message" }, stream)],
  ["another error key", true, (stream) => pino({ errorKey: "incident" }, stream)],
  ["CRLF", true, (stream) => pino({ crlf: true }, stream)],
  ["names of levels", true, (stream) => pino({ formatters: { level: (label) => ({ severity: label }) } }, stream)],
  ["bindings that are formatted", true, (stream) => pino({ formatters: { bindings: () => ({ a: 1 }) } }, stream)],
  ["a level more", true, (stream) => pino({ customLevels: { notice: 35 } }, stream)],
  ["redaction of others", true, (stream) => pino({ redact: ["req.headers.cookie", "password"] }, stream)],
  ["serializers of others", true, (stream) => pino({ serializers: { req: () => "req" } }, stream)],
  ["a child", true, (stream) => pino(stream).child({ reqId: "req-1", 'a "b"': "\ud800" })],
  ["a child with options", true, (stream) => pino(stream).child({ a: 1 }, { level: "debug", msgPrefix: "b " })],
  ["a child of a child", true, (stream) => pino({ nestedKey: "n" }, stream).child({ a: 1 }).child({ b: 2 }, {})],
  ["the logger of Fastify", true, (stream) => fastify({ logger: { stream } }).log as unknown as Logger],
  ["Fastify's, of a request", true, (stream) => fastify({ logger: { stream } }).log.child({ reqId: "1" }, {}) as never],
  ["another copy of pino", true, (stream) => anotherPino()(stream)],
  ["redaction of these", false, (stream) => pino({ redact: ["url"] }, stream)],
  [
    "redaction of these that removes",
    false,
    (stream) => pino({ redact: { paths: ["clientIp"], remove: true } }, stream),
  ],
  ["redaction of everything", false, (stream) => pino({ redact: ["*"] }, stream)],
  ["redaction inside everything", false, (stream) => pino({ redact: ["*.a"] }, stream)],
  ["redaction of the message", false, (stream) => pino({ redact: ["msg"] }, stream)],
  ["a child that redacts", false, (stream) => pino(stream).child({}, { redact: ["ray"] })],
  ["a serializer of these", false, (stream) => pino({ serializers: { url: (url: string) => url.length } }, stream)],
  ["a serializer of the message", false, (stream) => pino({ serializers: { msg: () => "m" } as never }, stream)],
  ["a child with a serializer", false, (stream) => pino(stream).child({}, { serializers: { ms: String } })],
  ["a mixin", false, (stream) => pino({ mixin: () => ({ trace: "1" }) }, stream)],
  ["a formatter of records", false, (stream) => pino({ formatters: { log: (o) => ({ ...o, a: 1 }) } }, stream)],
  ["levels of its own alone", false, (stream) => pino(OWN_LEVELS, stream) as never],
  ["a hook of its methods", false, (stream) => pino({ hooks: { logMethod: hook } }, stream)],
  ["a hook of what is written", false, (stream) => pino({ hooks: { streamWrite: (s) => s.toUpperCase() } }, stream)],
  ["several destinations", false, (stream) => pino({}, multistream([{ stream }, { stream, level: "error" }]))],
  ["a level above", false, (stream) => pino({ level: "warn" }, stream)],
  ["everything off", false, (stream) => pino({ enabled: false }, stream)],
  ["methods that an agent has wrapped", false, (stream) => wrapped(pino(stream), "info")],
  ["a JSON that an agent has wrapped", false, (stream) => wrapped(pino(stream), pino.symbols.asJsonSym as never)],
  ["a writing that an agent has wrapped", false, (stream) => wrapped(pino(stream), pino.symbols.writeSym as never)],
  ["a logger that is not pino", false, notPino],
];

const OWN_LEVELS: LoggerOptions<"info" | "warn" | "error"> = {
  customLevels: { info: 35, warn: 45, error: 55 },
  useOnlyCustomLevels: true,
};

function hook(this: Pino, args: unknown[], method: (...args: never[]) => void): void {
  method.apply(this, [args[0], `hooked ${String(args[1])}`] as never);
}

function anotherPino(): typeof pino {
  const require = createRequire(import.meta.url);
  const path = require.resolve("pino");
  const folder = path.slice(0, path.lastIndexOf("/"));
  for (const file of Object.keys(require.cache)) if (file.startsWith(folder)) delete require.cache[file];
  return require("pino") as typeof pino;
}

/** As shimmer does it: name and length stay. */
function wrapped(logger: Pino, name: "info"): Logger {
  const native = logger[name] as (...args: unknown[]) => unknown;
  const wrapper = function (this: unknown, ...args: unknown[]): unknown {
    const given = args.map((arg) => (typeof arg === "object" ? { ...arg, traced: true } : arg));
    return native.apply(this, given);
  };
  Object.defineProperty(wrapper, "name", { value: native.name });
  logger[name] = wrapper as never;
  return logger;
}

function notPino(stream: Chunks): Logger {
  const log = (record: object, message: string) => void stream.write(`${message} ${JSON.stringify(record)}\n`);
  return { info: log, warn: log, error: log };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: 1_700_000_000_000 });
});

afterEach(() => {
  vi.useRealTimers();
});

/** What comes of a record on both ways. */
function bothWays(logger: Logger, stream: Chunks, record: RequestRecord): [ours: string[], theirs: string[]] {
  writeRequestLine(logger, record, 10, true);
  const ours = stream.take();
  logger.info(record, "request");
  return [ours, stream.take()];
}

describe("the line of a request", () => {
  it.each(LOGGERS)("is what the logger would have written: %s (made here: %s)", (_what, renders, make) => {
    const stream = new Chunks();
    const logger = make(stream);
    expect(pinoLineOf(logger) !== null).toBe(renders);
    for (const record of RECORDS) {
      const [ours, theirs] = bothWays(logger, stream, record);
      expect(ours).toEqual(theirs);
      expect(theirs).toHaveLength(/level above|everything off/.test(_what) ? 0 : 1);
    }
  });

  it("follows a level that changes at run time, of the logger and of its children", () => {
    const stream = new Chunks();
    const logger = pino(stream);
    const child = logger.child({ a: 1 });
    for (const level of ["info", "silent", "debug", "error", "trace"]) {
      logger.level = level;
      for (const one of [logger, child]) {
        const [ours, theirs] = bothWays(one, stream, RECORD);
        expect(ours).toEqual(theirs);
        expect(ours).toHaveLength(level === "silent" || level === "error" ? 0 : 1);
      }
    }
  });

  it.each<[what: string, options: object]>([
    ["a prefix", { msgPrefix: "child " }],
    ["redaction", { redact: ["url"] }],
    ["a serializer", { serializers: { url: () => "u" } }],
    ["a formatter", { formatters: { log: () => ({ formatted: true }) } }],
    ["a level", { level: "error" }],
  ])("of a child with %s is not that of the logger it comes from", (_what, options) => {
    const stream = new Chunks();
    const logger = pino(stream);
    expect(pinoLineOf(logger)).not.toBeNull();
    const child = logger.child({ a: 1 }, options);
    for (const one of [child, logger, child]) {
      const [ours, theirs] = bothWays(one, stream, RECORD);
      expect(ours).toEqual(theirs);
    }
    expect(pinoLineOf(child)).toBeNull();
  });

  it("follows bindings that change at run time", () => {
    const stream = new Chunks();
    const logger = pino(stream).child({ a: 1 });
    for (const b of [1, 2]) {
      logger.setBindings({ b });
      const [ours, theirs] = bothWays(logger, stream, RECORD);
      expect(ours).toEqual(theirs);
      expect(ours[0]).toContain(`"b":${b}`);
    }
  });

  it("is made here whatever time passes while the logger is met", () => {
    let calls = 0;
    const logger = pino({ timestamp: () => `,"time":${calls++}` }, new Chunks());
    expect(pinoLineOf(logger)).not.toBeNull();
  });

  it("holds what a subscriber has added to the record", () => {
    const stream = new Chunks();
    const logger = pino(stream);
    const record = { ...RECORD, added: { by: "a subscriber" } };
    writeRequestLine(logger, record, 10, false);
    const ours = stream.take();
    logger.info(record, "request");
    expect(ours).toEqual(stream.take());
    expect(ours[0]).toContain("a subscriber");
  });

  it("is left to pino while an agent traces how it is made", () => {
    const stream = new Chunks();
    const logger = pino(stream);
    expect(pinoLineOf(logger)).not.toBeNull();
    const subscribers = { start() {}, end() {}, asyncStart() {}, asyncEnd() {}, error() {} };
    tracingChannel("pino_asJson").subscribe(subscribers);
    expect(pinoLineOf(logger)).toBeNull();
    tracingChannel("pino_asJson").unsubscribe(subscribers);
    expect(pinoLineOf(logger)).not.toBeNull();
  });

  it("goes where the logger writes now", () => {
    const streams = [new Chunks(), new Chunks()];
    const logger = pino(streams[0] as Chunks);
    writeRequestLine(logger, RECORD, 10, true);
    (logger as unknown as Record<symbol, unknown>)[pino.symbols.streamSym] = streams[1];
    writeRequestLine(logger, RECORD, 10, true);
    expect(streams.map((stream) => stream.take().length)).toEqual([1, 1]);
  });

  it("comes by itself, and at once, where somebody may look at each line", () => {
    const stream = new Chunks();
    const logger = pino(stream);
    for (let n = 0; n < 3; n++) writeRequestLine(logger, RECORD, 10_000, true);
    expect(stream.take()).toHaveLength(3);
  });
});
