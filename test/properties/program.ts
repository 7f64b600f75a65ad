import fc from "fast-check";

/** How the client asks, and what it does besides. */
export const REQUESTS = [
  "GET",
  "HEAD",
  "POST",
  "POST in pieces",
  "POST unfinished",
  "POST chunked",
  "POST pipelined in front",
  "HTTP/1.0",
  "HTTP/1.0 keep-alive",
  "pipelined in front",
  "pipelined behind",
  "expects 100",
  "closes",
  "half-closes",
] as const;

/** The same over HTTP/2, where requests on one connection are answered side by side. */
export const HTTP2_REQUESTS = [
  "GET",
  "HEAD",
  "POST",
  "POST in pieces",
  "POST unfinished",
  "pipelined in front",
  "pipelined behind",
  "expects 100",
  "cancels",
  "pauses",
  "leaves",
] as const;
export type RequestKind = (typeof REQUESTS)[number] | (typeof HTTP2_REQUESTS)[number];

/**
 * `callback`: what comes after a delay runs in a timer, inside try and catch; what it throws is lost.
 * `async`: an async function, whose errors all reach the framework.
 */
export type Style = "callback" | "async";

/** A field value by name, where it is no text or number. */
export const ODD_VALUES = [
  "null",
  "undefined",
  "NaN",
  "object",
  "list",
  "list of numbers",
  "empty list",
  "list that changes",
  "object that changes",
  "CR LF",
  "NUL",
  "wide",
  "big",
  "huge",
] as const;
export type OddValue = (typeof ODD_VALUES)[number];
export type Value = string | number | { readonly odd: OddValue };

export const CHUNKS = [
  "text",
  "buffer",
  "octets",
  "hex",
  "utf16",
  "empty",
  "big",
  "bad encoding",
  "number",
  "object",
  "null",
] as const;
export type Chunk = (typeof CHUNKS)[number];

export const RAW = [
  "garbage",
  "response",
  "response without length",
  "response in part",
  "closing response",
  "chunked response",
  "wrong length",
  "empty line",
  "nothing",
] as const;
export type Raw = (typeof RAW)[number];

export type FieldLine = readonly [name: string, value: Value];
export type Delay = "tick" | "microtask" | "immediate" | "1 ms" | "30 ms" | "60 ms";
export type Thrown = "error" | "404" | "bad headers" | "null" | "string";
export type Destroyed = "res" | "req" | "socket" | "socket soon" | "socket reset";

/** One operation on a request and its response. */
export type Operation =
  | readonly ["status", Value]
  | readonly ["reason", string]
  | readonly ["set", string, Value]
  | readonly ["append", string, Value]
  | readonly ["remove", string]
  | readonly ["writeHead", Value, "object" | "flat" | "reason", readonly FieldLine[]]
  | readonly ["write", Chunk]
  | readonly ["end"]
  | readonly ["end", Chunk, "callback"?]
  | readonly ["flushHeaders"]
  | readonly ["cork"]
  | readonly ["uncork"]
  | readonly ["trailers", readonly FieldLine[]]
  | readonly ["interim", "100" | "102" | "103" | "103 bad"]
  | readonly ["destroy", Destroyed, "error"?]
  | readonly ["socket.write", Raw]
  | readonly ["socket.end", Raw]
  | readonly ["throw", Thrown]
  | readonly ["reject", Thrown]
  | readonly ["delay", Delay]
  | readonly [
      "pipe",
      "whole" | "big" | "fails first" | "fails later" | "destroyed first" | "destroyed later" | "stalls",
      "pipe" | "pipeline",
    ]
  | readonly ["on", "finish" | "close", "end" | "write" | "destroy" | "setHeader"]
  | readonly ["on", "error"]
  | readonly ["read"]
  | readonly [
      "flag",
      (
        | "sendDate"
        | "shouldKeepAlive"
        | "strictContentLength"
        | "useChunkedEncodingByDefault"
        | "socket.cork"
        | "res.setTimeout"
        | "socket.setTimeout"
        | "detachSocket"
        | "deadline"
      ),
    ]
  | readonly ["answer", "text" | "json" | "error" | "status" | "stream" | "nothing"]
  | readonly ["next", "error" | "nothing"]
  | StreamOperation;

/** What HTTP/2 has beside: calls of the core API, which the compatibility API shows as well. */
export type StreamOperation =
  | readonly ["respond", readonly FieldLine[], "endStream" | "waitForTrailers" | "plain"]
  | readonly ["sendTrailers", readonly FieldLine[]]
  | readonly ["close", 0 | 2 | 7 | 8, "callback"?]
  | readonly ["file", "whole" | "part" | "missing" | "closed descriptor"]
  | readonly ["push"]
  | readonly [
      "session",
      "destroy" | "destroy with error" | "destroy with code" | "close" | "goaway" | "goaway with code",
    ];

export type Program = {
  readonly request: RequestKind;
  readonly style: Style;
  /** Every operation stands in a try and catch of its own, so that the program goes on after a failed one. */
  readonly lenient: boolean;
  readonly operations: readonly Operation[];
};

const oddValue = fc.constantFrom(...ODD_VALUES).map((odd): Value => ({ odd }));

/** Fields whose values decide how the message is read. */
const framingField: fc.Arbitrary<FieldLine> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.tuple(
      fc.constantFrom("Content-Length", "content-length"),
      fc.oneof(
        {
          weight: 6,
          arbitrary: fc.constantFrom<Value>(
            5,
            "5",
            10,
            0,
            4,
            3,
            102_400,
            "5, 5",
            "5,6",
            -1,
            "abc",
            "",
            "+5",
            "5.0",
            1e21,
            "99999999999999999999",
            "0x5",
            " 5",
          ),
        },
        { weight: 1, arbitrary: oddValue },
      ),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(
      fc.constantFrom("Transfer-Encoding", "transfer-encoding"),
      fc.oneof(
        {
          weight: 6,
          arbitrary: fc.constantFrom<Value>(
            "chunked",
            "Chunked",
            "identity",
            "gzip, chunked",
            "gzip",
            "chunked, chunked",
            "chunked,gzip",
            "xchunked",
            "",
          ),
        },
        { weight: 1, arbitrary: oddValue },
      ),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(
      fc.constantFrom("Connection", "connection"),
      fc.oneof(
        {
          weight: 6,
          arbitrary: fc.constantFrom<Value>(
            "close",
            "keep-alive",
            "Close",
            "keep-alive, close",
            "upgrade",
            "x-thing",
            "",
            "close, x-thing",
          ),
        },
        { weight: 1, arbitrary: oddValue },
      ),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom("Keep-Alive"), fc.constantFrom<Value>("timeout=5", "timeout=x", "")),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom("Upgrade"), fc.constantFrom<Value>("websocket", "h2c", "")) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom("Trailer"), fc.constantFrom<Value>("X-Sum", "Content-Length", "")) },
);

const otherField: fc.Arbitrary<FieldLine> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(
      fc.constantFrom("X-Thing", "Content-Type", "Set-Cookie", "ETag", "Content-Encoding", "Cache-Control", "Vary"),
      fc.constantFrom<Value>("a", "text/event-stream", "", "a=b; Path=/", "no-store", 7),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom("X-Thing", "Set-Cookie", "Content-Type", "Date", "Location"), oddValue),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constantFrom("Date", "Content-Type", "Location", "date"),
      fc.constantFrom<Value>("Tue, 15 Nov 1994 08:12:31 GMT", "yesterday", ""),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constantFrom("bad name", "", "X:Y", "X\r\nY", "höhe", "__proto__", "toString"),
      fc.constantFrom<Value>("a"),
    ),
  },
);

const field = fc.oneof({ weight: 3, arbitrary: framingField }, { weight: 2, arbitrary: otherField });
const fields = fc.array(field, { maxLength: 3 });

const status = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<Value>(200, 404, 500) },
  { weight: 3, arbitrary: fc.constantFrom<Value>(204, 205, 304, 103, 100, 101) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Value>(
      0,
      99,
      502,
      504,
      520,
      600,
      999,
      "abc",
      "200",
      { odd: "NaN" },
      { odd: "undefined" },
    ),
  },
);

const chunk = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<Chunk>("text", "buffer") },
  { weight: 4, arbitrary: fc.constantFrom(...CHUNKS) },
);

const thrown = fc.constantFrom<Thrown>("error", "404", "bad headers", "null", "string");

const head: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.constant("status" as const), status) },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constant("reason" as const),
      fc.constantFrom("Fine", "", "a\r\nb", "wide \u2713", "\u00fc", "a".repeat(3000)),
    ),
  },
  { weight: 6, arbitrary: field.map(([name, value]): Operation => ["set", name, value]) },
  { weight: 2, arbitrary: field.map(([name, value]): Operation => ["append", name, value]) },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constant("remove" as const),
      fc.constantFrom("Date", "Content-Length", "Transfer-Encoding", "Connection", "X-Thing"),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(
      fc.constant("writeHead" as const),
      status,
      fc.constantFrom("object" as const, "flat" as const, "reason" as const),
      fields,
    ),
  },
);

const content: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant("write" as const), chunk) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("end" as const), chunk) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("end" as const), chunk, fc.constant("callback" as const)) },
  { weight: 3, arbitrary: fc.constant<Operation>(["end"]) },
  { weight: 1, arbitrary: fc.constant<Operation>(["flushHeaders"]) },
  { weight: 1, arbitrary: fc.constantFrom<Operation>(["cork"], ["uncork"]) },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constant("trailers" as const),
      fc.array(fc.oneof(fc.constant<FieldLine>(["X-Sum", "1"]), field), { minLength: 1, maxLength: 2 }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constant("interim" as const),
      fc.constantFrom("100" as const, "102" as const, "103" as const, "103 bad" as const),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(
      fc.constant("pipe" as const),
      fc.constantFrom(
        "whole" as const,
        "big" as const,
        "fails first" as const,
        "fails later" as const,
        "destroyed first" as const,
        "destroyed later" as const,
        "stalls" as const,
      ),
      fc.constantFrom("pipe" as const, "pipeline" as const),
    ),
  },
);

const destroyed = fc.constantFrom<Destroyed>("res", "req", "socket", "socket soon", "socket reset");
const raw = fc.constantFrom(...RAW);

const violence: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant("destroy" as const), destroyed) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("destroy" as const), destroyed, fc.constant("error" as const)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("socket.write" as const), raw) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("socket.end" as const), raw) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("throw" as const), thrown) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("reject" as const), thrown) },
);

const rest: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.tuple(
      fc.constant("on" as const),
      fc.constantFrom("finish" as const, "close" as const),
      fc.constantFrom("end" as const, "write" as const, "destroy" as const, "setHeader" as const),
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom<Operation>(["on", "error"], ["read"]) },
  {
    weight: 2,
    arbitrary: fc.tuple(
      fc.constant("flag" as const),
      fc.constantFrom(
        "sendDate" as const,
        "shouldKeepAlive" as const,
        "strictContentLength" as const,
        "useChunkedEncodingByDefault" as const,
        "socket.cork" as const,
        "res.setTimeout" as const,
        "socket.setTimeout" as const,
        "detachSocket" as const,
        "deadline" as const,
      ),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(
      fc.constant("answer" as const),
      fc.constantFrom(
        "text" as const,
        "json" as const,
        "error" as const,
        "status" as const,
        "stream" as const,
        "nothing" as const,
      ),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constant("next" as const), fc.constantFrom("error" as const, "nothing" as const)),
  },
);

const delay: fc.Arbitrary<Operation> = fc.tuple(
  fc.constant("delay" as const),
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom<Delay>("tick", "microtask", "immediate", "1 ms") },
    { weight: 1, arbitrary: fc.constantFrom<Delay>("30 ms", "60 ms") },
  ),
);

export const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 6, arbitrary: content },
  { weight: 5, arbitrary: head },
  { weight: 2, arbitrary: violence },
  { weight: 2, arbitrary: delay },
  { weight: 2, arbitrary: rest },
);

const request = fc.oneof(
  { weight: 4, arbitrary: fc.constant<RequestKind>("GET") },
  { weight: 8, arbitrary: fc.constantFrom(...REQUESTS) },
);

/** Any program at all. */
export const anyProgram: fc.Arbitrary<Program> = fc.record({
  request,
  style: fc.constantFrom<Style>("callback", "async"),
  lenient: fc.boolean(),
  operations: fc.array(operation, { minLength: 0, maxLength: 9, size: "max" }),
});

const streamOperation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.tuple(
      fc.constant("respond" as const),
      fc.array(
        fc.oneof(
          status.map((value): FieldLine => [":status", value]),
          field,
        ),
        { maxLength: 3 },
      ),
      fc.constantFrom("endStream" as const, "waitForTrailers" as const, "plain" as const, "plain" as const),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constant("sendTrailers" as const),
      fc.array(fc.oneof(fc.constant<FieldLine>(["x-sum", "1"]), field), { maxLength: 2 }),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constant("close" as const), fc.constantFrom(0 as const, 2 as const, 8 as const)),
  },
  { weight: 1, arbitrary: fc.constantFrom<Operation>(["close", 0, "callback"], ["close", 8, "callback"]) },
  {
    weight: 2,
    arbitrary: fc.tuple(
      fc.constant("file" as const),
      fc.constantFrom("whole" as const, "part" as const, "missing" as const, "closed descriptor" as const),
    ),
  },
  { weight: 1, arbitrary: fc.constant<Operation>(["push"]) },
  {
    weight: 3,
    arbitrary: fc.tuple(
      fc.constant("session" as const),
      fc.constantFrom(
        "destroy" as const,
        "destroy with error" as const,
        "destroy with code" as const,
        "close" as const,
        "goaway" as const,
        "goaway with code" as const,
      ),
    ),
  },
);

/** Any program over HTTP/2. */
export const anyHttp2Program: fc.Arbitrary<Program> = fc
  .record({
    request: fc.oneof(
      { weight: 4, arbitrary: fc.constant<RequestKind>("GET") },
      { weight: 8, arbitrary: fc.constantFrom(...HTTP2_REQUESTS) },
    ),
    style: fc.constantFrom<Style>("callback", "async"),
    lenient: fc.boolean(),
    operations: fc.array(fc.oneof({ weight: 6, arbitrary: operation }, { weight: 1, arbitrary: streamOperation }), {
      minLength: 0,
      maxLength: 9,
      size: "max",
    }),
  })
  .filter((program) => !isEndlessInNode(program));

/** Node 20 itself never comes back from the reset of a stream that is corked, and that a pipeline writes to. */
function isEndlessInNode({ operations }: Pick<Program, "operations">): boolean {
  if (!process.versions.node.startsWith("20.")) return false;
  return (
    operations.some(([name]) => name === "cork") &&
    operations.some(([name, , by]) => name === "pipe" && by === "pipeline")
  );
}

// -- programs without a fault ------------------------------------------------------------------------------------

const goodField: fc.Arbitrary<FieldLine> = fc.oneof(
  fc.tuple(
    fc.constantFrom("X-Thing", "Vary", "ETag", "Content-Type", "Cache-Control", "__proto__"),
    fc.constantFrom<Value>("a", "b; c=d", "\u00fc", 7),
  ),
  fc.tuple(fc.constant("Set-Cookie"), fc.constantFrom<Value>("a=b", { odd: "list" })),
  fc.constant<FieldLine>(["Connection", "close"]),
  fc.constant<FieldLine>(["Transfer-Encoding", "chunked"]),
  fc.constant<FieldLine>(["Date", "Tue, 15 Nov 1994 08:12:31 GMT"]),
);
const anyGoodChunk = fc.constantFrom<Chunk>("text", "buffer", "octets", "hex", "utf16", "empty", "big");
/** Short enough for all of them together to stay within the deadline. */
const pause: fc.Arbitrary<Operation> = fc.constantFrom<Operation>(
  ["delay", "tick"],
  ["delay", "microtask"],
  ["delay", "immediate"],
  ["delay", "1 ms"],
  ["delay", "30 ms"],
);
const goodStatus = fc.constantFrom<Value>(200, 201, 204, 304, 404, 500, 503);

/** Octets of the chunks that clean programs write. */
export const CHUNK_OCTETS: Readonly<Partial<Record<Chunk, number>>> = {
  text: 5,
  buffer: 5,
  octets: 5,
  hex: 5,
  utf16: 10,
  empty: 0,
  big: 102_400,
};

/** Programs that a correct app could be: the guard changes nothing about them. */
export const cleanProgram: fc.Arbitrary<Program> = cleanPrograms(
  [
    "GET",
    "HEAD",
    "POST",
    "POST chunked",
    "POST in pieces",
    "HTTP/1.0",
    "HTTP/1.0 keep-alive",
    "expects 100",
    "closes",
    "pipelined in front",
    "pipelined behind",
  ],
  goodField,
  anyGoodChunk,
);

/** The same over HTTP/2, where the fields of a connection are invalid. */
export const cleanHttp2Program: fc.Arbitrary<Program> = cleanPrograms(
  ["GET", "HEAD", "POST", "POST in pieces", "expects 100", "pipelined in front", "pipelined behind", "pauses"],
  goodField
    .filter(([name]) => name !== "Connection" && name !== "Transfer-Encoding")
    .map(([name, value]): FieldLine => [name.toLowerCase(), value]),
  // In front of an empty chunk, or in hex or UTF-16, Node sends other octets than those it was given.
  fc.constantFrom<Chunk>("text", "buffer", "octets", "big"),
);

function cleanPrograms(
  requests: readonly RequestKind[],
  good: fc.Arbitrary<FieldLine>,
  goodChunk: fc.Arbitrary<Chunk>,
): fc.Arbitrary<Program> {
  return fc
    .record({
      request: fc.constantFrom(...requests),
      style: fc.constantFrom<Style>("callback", "async"),
      status: goodStatus,
      fields: fc.uniqueArray(good, { maxLength: 3, selector: ([name]) => name }),
      head: fc.constantFrom("set", "object", "flat", "reason"),
      hasLength: fc.boolean(),
      flushes: fc.boolean(),
      corks: fc.boolean(),
      trailer: fc.boolean(),
      interim: fc.boolean(),
      chunks: fc.array(fc.tuple(goodChunk, fc.option(pause, { nil: undefined })), { maxLength: 4 }),
      last: fc.option(goodChunk, { nil: undefined }),
      pauses: fc.tuple(fc.option(pause, { nil: undefined }), fc.option(pause, { nil: undefined })),
    })
    .map((parts): Program => {
      const { request: kind, style } = parts;
      const isBodyless = parts.status === 204 || parts.status === 304;
      const is10 = kind.startsWith("HTTP/1.0");
      const chunks = isBodyless ? [] : parts.chunks;
      const last = isBodyless ? undefined : parts.last;
      let lines = parts.fields.filter(
        ([name]) => name !== "Transfer-Encoding" || (!is10 && !isBodyless && !parts.hasLength),
      );
      if (is10 && kind !== "HTTP/1.0") lines = lines.filter(([name]) => name !== "Connection");
      const octets = [...chunks.map(([name]) => name), ...(last === undefined ? [] : [last])].reduce(
        (sum, name) => sum + (CHUNK_OCTETS[name] ?? 0),
        0,
      );
      const withLength = parts.hasLength && !isBodyless;
      if (withLength) lines = [...lines, ["Content-Length", octets]];
      // The core API asks for them, and has to be told so in front of the header section.
      const withTrailer =
        parts.trailer &&
        !requests.includes("pauses") &&
        !withLength &&
        !is10 &&
        !isBodyless &&
        kind !== "HEAD" &&
        chunks.length > 0;
      if (withTrailer) lines = [...lines, ["Trailer", "X-Sum"]];
      const operations: (Operation | undefined)[] = [parts.pauses[0]];
      // Bare Node sends the interim response of a pipelined request at once, in the midst of the one before it.
      if (parts.interim && !is10 && !kind.startsWith("pipelined")) operations.push(["interim", "103"]);
      if (parts.head === "set")
        operations.push(["status", parts.status], ...lines.map(([name, value]): Operation => ["set", name, value]));
      else operations.push(["writeHead", parts.status, parts.head as "object", lines]);
      if (parts.flushes) operations.push(["flushHeaders"], parts.pauses[1]);
      if (parts.corks) operations.push(["cork"]);
      for (const [name, after] of chunks) operations.push(["write", name], after);
      if (parts.corks) operations.push(["uncork"]);
      if (withTrailer) operations.push(["trailers", [["X-Sum", "1"]]]);
      operations.push(last === undefined ? ["end"] : ["end", last]);
      return { request: kind, style, lenient: false, operations: operations.filter((one) => one !== undefined) };
    });
}
