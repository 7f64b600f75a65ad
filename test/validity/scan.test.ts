import { createServer } from "node:http";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NOT_IN_VALUE } from "../../src/http/grammar.js";
import { createGuard } from "../../src/index.js";
import { exchange } from "../../src/testing/index.js";
import {
  type Draft,
  type DraftFacts,
  type HeadersArgument,
  readFields,
  readHeaders,
  readTexts,
} from "../../src/validity/draft.js";
import { judge } from "../../src/validity/guarded/index.js";
import { isPlainlyValid } from "../../src/validity/scan.js";
import { listen } from "../testing/servers.js";

const FACTS: DraftFacts = {
  method: "GET",
  version: "1.1",
  requestCloses: false,
  upgradeOffered: undefined,
  contentOctets: null,
  framingRemoved: false,
  addsDate: true,
  gatewayStatus: "remap",
  maxFieldLines: 256,
};

/** The scan, asked with the facts that the rules get. */
function scan(headers: HeadersArgument, isOutHeaders: boolean, facts: DraftFacts): boolean {
  const { version, requestCloses, addsDate, maxFieldLines } = facts;
  return isPlainlyValid(headers, isOutHeaders, version === "1.1", !requestCloses, addsDate, maxFieldLines);
}

function fieldsOf(headers: HeadersArgument, isOutHeaders: boolean): Draft["fields"] {
  const fields = readFields(headers, isOutHeaders);
  readTexts(fields);
  return fields;
}

type Lines = readonly (readonly [name: string, value: unknown])[];

/** The shapes in which header sections reach the scan: writeHead's argument, given in three forms, and setHeader's. */
const SHAPES: Readonly<Record<string, (lines: Lines) => { headers: HeadersArgument; isOutHeaders: boolean }>> = {
  "an object": (lines) => ({ headers: readHeaders(Object.fromEntries(lines)), isOutHeaders: false }),
  "a flat list": (lines) => ({ headers: readHeaders(flat(lines)), isOutHeaders: false }),
  "a list of pairs": (lines) => ({ headers: readHeaders(lines.map((line) => [...line])), isOutHeaders: false }),
  "the map of setHeader": (lines) => {
    const map = Object.create(null) as Record<string, unknown>;
    for (const [name, value] of lines) map[name.toLowerCase()] = [name, value];
    return { headers: map, isOutHeaders: true };
  },
};

function flat(lines: Lines): unknown[] {
  return lines.flat(1);
}

describe.each(Object.entries(SHAPES))("%s", (_shape, make) => {
  const names = ["Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade", "Trailer", "Date"];
  const others = [
    "Content-Type",
    "Set-Cookie",
    "Location",
    "Age",
    "Server",
    "Expires",
    "Content-Location",
    "X-Any",
    "Vary",
  ];
  const known = ["0", "5", "00", "9007199254740993", "1e3", "-1", "5, 5", "chunked", "Chunked", "gzip"];
  const more = [
    "close",
    "keep-alive",
    "Close",
    "upgrade",
    "websocket",
    "timeout=5",
    "text/html",
    "a\r\nb",
    "\x7f",
    "é",
  ];
  const odd = [0, 5, -1, 1.5, Number.NaN, 2 ** 60, null, undefined, true, {}, [], () => 1];
  const value = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom<unknown>(...known, ...more, ...odd) },
    fc.string({ maxLength: 8 }),
    fc.array(fc.constantFrom<unknown>("a=1", "b", "c\nd", "5", 5), { maxLength: 3 }),
  );
  const name = fc.constantFrom(...names, ...others, ...[...names, ...others].map((n) => n.toLowerCase()));
  const facts = fc.record({
    version: fc.constantFrom("1.0", "1.1"),
    requestCloses: fc.boolean(),
    addsDate: fc.boolean(),
    maxFieldLines: fc.constantFrom(8, 256),
  } as const);
  // The caller asks only for statuses without rules of their own.
  const status = fc.constantFrom(200, 301, 404, 500, 599);

  it("is called plainly valid only where no rule is broken", () => {
    let called = 0;
    fc.assert(
      fc.property(status, fc.array(fc.tuple(name, value), { maxLength: 6 }), facts, (code, lines, given) => {
        // Node itself refuses a setHeader of control characters; only lists can change after that.
        const settable = lines.filter(([, v]) => typeof v !== "string" || !NOT_IN_VALUE.test(v));
        const { headers, isOutHeaders } = make(settable);
        const asked: DraftFacts = { ...FACTS, ...given };
        if (!scan(headers, isOutHeaders, asked)) return;
        called++;
        const draft: Draft = {
          ...asked,
          status: code,
          reason: "",
          fields: fieldsOf(headers, isOutHeaders),
          content: true,
          chunksByDefault: asked.version === "1.1",
          needsDate: false,
          needsFraming: false,
        };
        const before = structuredClone(draft.fields);
        expect(judge(draft)).toEqual({ repairs: [], replace: null });
        expect(draft.fields).toEqual(before);
      }),
      { numRuns: 3_000 },
    );
    expect(called).toBeGreaterThan(30);
  });

  it("is plainly valid where an ordinary app made it", () => {
    const lines: Lines = [
      ["Content-Type", "text/html; charset=utf-8"],
      ["Content-Length", 12],
      ["ETag", '"x"'],
      ["Connection", "keep-alive"],
      ["Set-Cookie", ["a=1", "b=2"]],
    ];
    const { headers, isOutHeaders } = make(lines);
    expect(scan(headers, isOutHeaders, FACTS)).toBe(true);
  });

  it.each<[why: string, lines: Lines, facts?: Partial<DraftFacts>]>([
    ["Transfer-Encoding to HTTP/1.0", [["Transfer-Encoding", "chunked"]], { version: "1.0" }],
    [
      "both framing fields",
      [
        ["Content-Length", "5"],
        ["Transfer-Encoding", "chunked"],
      ],
    ],
    ["a length with a sign", [["Content-Length", "+5"]]],
    ["a length of sixteen digits", [["Content-Length", "1234567890123456"]]],
    ["keep-alive to a client that closes", [["Connection", "keep-alive"]], { requestCloses: true }],
    ["an option nobody knows", [["Connection", "X-Any"]]],
    ["Trailer", [["Trailer", "X-Sum"]]],
    ["Upgrade", [["Upgrade", "h2c"]]],
    ["Keep-Alive", [["Keep-Alive", "timeout=5"]]],
    ["a cookie that changed", [["Set-Cookie", ["a=1", "b\r\n"]]]],
    ["a list of anything but cookies", [["Location", ["/a", "/b"]]]],
    ["NaN", [["X-Any", Number.NaN]]],
    ["an object", [["X-Any", {}]]],
    ["too many lines", [["Set-Cookie", ["a", "b", "c", "d", "e"]]], { maxFieldLines: 8 }],
    ["no Date", [["X-Any", "x"]], { addsDate: false }],
  ])("goes to the rules with %s", (_why, lines, facts = {}) => {
    const { headers, isOutHeaders } = make(lines);
    expect(scan(headers, isOutHeaders, { ...FACTS, ...facts })).toBe(false);
  });
});

describe("no header fields", () => {
  it.each([{ headers: null }, { headers: undefined }, { headers: {} }, { headers: [] }])(
    "is plainly valid: %j",
    ({ headers }) => {
      expect(scan(readHeaders(headers), false, FACTS)).toBe(true);
      expect(scan(readHeaders(headers), false, { ...FACTS, addsDate: false })).toBe(false);
    },
  );
});

describe("a header section that looks plain", () => {
  it.each<[fact: string, headers: unknown]>([
    ["a flat list with Content-Type twice", ["Content-Type", "text/plain", "Content-Type", "text/html"]],
    ["an object with Content-Type in two cases", { "Content-Type": "text/plain", "content-type": "text/html" }],
    ["one pair with a bad length", [["Content-Length", "abc"]]],
    ["one pair with Keep-Alive nobody can read", [["Keep-Alive", "for ever"]]],
  ])("is put right on the wire: %s", async (_fact, headers) => {
    const guard = createGuard({ logger: false });
    const server = createServer((_request, response) => response.writeHead(200, headers as never).end("ok"));
    const { valid, responses, problems } = await exchange(await listen(guard.attach(server)), { path: "/" });
    expect(problems).toEqual([]);
    expect(valid).toBe(true);
    expect(responses[0]?.text()).toBe("ok");
    expect(responses[0]?.fieldLines("content-type").length).toBeLessThanOrEqual(1);
    expect(responses[0]?.field("keep-alive")).not.toBe("for ever");
  });
});
