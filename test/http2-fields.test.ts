import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import http2, { type Http2ServerResponse, type OutgoingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import type { GuardOptions } from "../src/index.js";
import { seen, send, start, stopAll } from "./helpers/http2.js";

afterEach(stopAll);

/** From Node 24 on `respond()` takes a list of names and values in turn as well. */
const TAKES_LISTS = Number.parseInt(process.versions.node, 10) >= 24;

const { sensitiveHeaders } = http2;

type Made = OutgoingHttpHeaders | unknown;

/** Header sections in every shape there is, made anew for each server. */
const SECTIONS: Readonly<Record<string, (reads: { count: number }) => Made>> = {
  "a list": () => [":status", 404, "x-a", "1"],
  "a list without a status": () => ["x-a", "1", "x-b", 2],
  "a list with a date": () => ["date", "Sun, 06 Nov 1994 08:49:37 GMT", "x-a", "1"],
  "a list with names twice, in turn": () => [
    "x-a",
    "1",
    "x-b",
    "2",
    "x-a",
    "3",
    "set-cookie",
    "a=1",
    "set-cookie",
    "b",
  ],
  "a list of lists": () => ["x-a", ["1", "2"], "set-cookie", ["a", "b"], "x-none", [], "x-one", ["1"]],
  "a list with names in capitals": () => ["X-A", "1", "Content-Type", "text/plain"],
  "a list with undefined": () => ["x-a", undefined, "", "1", "x-b", "2"],
  "a list with a status that is text": () => [":status", "201", "x-a", "1"],
  "a list with a sensitive field": () =>
    Object.assign(["x-a", "1", "authorization", "2"], { [sensitiveHeaders]: ["authorization"] }),
  "a list with the text of an object": () => ["x-a", new URL("http://a.example/")],
  "a list of an odd length": () => ["x-a", "1", "x-b"],
  "a list with names that are none": () => [1, 2],
  "a list with a space in a name": () => ["x a", "1"],
  "a list with a field of HTTP/1": () => ["connection", "close"],
  "a list with two lengths": () => ["content-length", "1", "content-length", "1"],
  "a list with a status of an interim response": () => [":status", 103],
  "a list with another pseudo-header field": () => [":path", "/"],
  "a list that is no list of the sensitive fields": () => Object.assign(["x-a", "1"], { [sensitiveHeaders]: "x-a" }),
  "an empty list": () => [],
  "no fields": () => undefined,
  "an empty object": () => ({}),
  null: () => null,
  text: () => "x-a",
  "a number": () => 7,
  "a null prototype": () => Object.assign(Object.create(null), { "x-a": "1" }),
  "inherited fields": () => Object.assign(Object.create({ "x-inherited": "1", connection: "close" }), { "x-a": "1" }),
  "a class of its own": () =>
    new (class {
      "x-a" = "1";
      "x-b" = 2;
    })(),
  "a Map": () => new Map([["x-a", "1"]]),
  "a sensitive field": () => ({ "x-a": "1", authorization: "2", [sensitiveHeaders]: ["Authorization"] }),
  "no list of sensitive fields": () => ({ "x-a": "1", [sensitiveHeaders]: "x-a" }),
  "a symbol as a name": () => ({ "x-a": "1", [Symbol("mine")]: "2" }),
  "a symbol as a value": () => ({ "x-a": Symbol("mine") }),
  undefined: () => ({
    "x-a": undefined,
    "x-b": "1",
    "content-length": undefined,
    date: undefined,
    "set-cookie": undefined,
  }),
  "an undefined status": () => ({ ":status": undefined, "x-a": "1" }),
  "null values": () => ({ "x-a": null }),
  "booleans and numbers": () => ({ "x-a": true, "x-b": false, "x-c": 1.5, "x-d": 0, "x-e": 7n }),
  "an empty name": () => ({ "": "1", "x-a": "1" }),
  "empty values": () => ({ "x-a": "", "x-b": [] }),
  "arrays of values": () => ({ "x-a": ["1", 2], "x-b": ["1"], "set-cookie": ["a=1", "b=2"] }),
  "capitals, twice": () => ({ "X-A": "1", "x-b": "2", "x-a": "3" }),
  "capitals, single": () => ({ "Content-Type": "text/plain", "Content-Language": "de" }),
  "a single field in capitals, twice": () => ({ "Content-Type": "text/plain", "content-type": "text/html" }),
  "a single field twice": () => ({ "content-type": ["text/plain", "text/html"] }),
  "a status that is text": () => ({ ":status": "404", "x-a": "1" }),
  "a status that is none": () => ({ ":status": "none" }),
  "a status below": () => ({ ":status": 100 }),
  "a status above": () => ({ ":status": 600 }),
  "another pseudo-header field": () => ({ ":path": "/" }),
  "a field of HTTP/1": () => ({ "Transfer-Encoding": "chunked" }),
  "a space in a name": () => ({ "x a": "1" }),
  "a getter": (reads) => ({
    get "x-a"() {
      return `${++reads.count}`;
    },
  }),
  "a getter of a name in capitals": (reads) => ({
    get "X-A"() {
      return `${++reads.count}`;
    },
  }),
  "a getter that throws": () => ({
    get "x-a"() {
      throw Object.assign(new Error("x"), { code: "MINE" });
    },
  }),
  "a proxy": (reads) =>
    new Proxy({ "x-a": "1" } as Record<string, string>, {
      get: (target, name) => (name === "x-a" ? `${++reads.count}` : Reflect.get(target, name)),
    }),
  "a text that throws": () => ({
    "x-a": {
      toString() {
        throw Object.assign(new Error("x"), { code: "MINE" });
      },
    },
  }),
};

type Respond = (stream: ServerHttp2Stream, headers: never, response: Http2ServerResponse) => void;

const FILE = fileURLToPath(import.meta.url);

/** Ways to give a header section to a stream. */
const WAYS: Readonly<Record<string, Respond>> = {
  respond: (stream, headers) => {
    stream.respond(headers);
    stream.end("ok");
  },
  "respond, at once at its end": (stream, headers) => stream.respond(headers, { endStream: true }),
  respondWithFile: (stream, headers) => stream.respondWithFile(FILE, headers),
  respondWithFD: (stream, headers) => {
    const fd = openSync(FILE, "r");
    stream.once("close", () => closeSync(fd));
    stream.respondWithFD(fd, headers);
  },
  additionalHeaders: (stream, headers) => {
    const { given, isObject } = { given: headers as object, isObject: typeof headers === "object" && headers !== null };
    const isInterim = isObject && !Array.isArray(given) && !Object.hasOwn(given, ":status");
    if (isInterim) Object.defineProperty(given, ":status", { value: 103, enumerable: true });
    stream.additionalHeaders(headers);
    stream.respond({ "x-final": "1" });
    stream.end("ok");
  },
};

/** The same with the compatibility API. */
const COMPATIBLE: Readonly<Record<string, Respond>> = {
  writeHead: (_stream, headers, response) => void response.writeHead(200, headers).end("ok"),
  "writeHead, behind setHeader": (_stream, headers, response) => {
    response.setHeader("x-a", "0");
    response.setHeader("x-b", ["0", "1"]);
    response.writeHead(404, "Not Found", headers);
    response.write("o");
    response.end("k");
  },
  setHeader: (_stream, headers, response) => {
    for (const [name, value] of Object.entries(headers ?? {})) response.setHeader(name, value as string);
    response.end("ok");
  },
  appendHeader: (_stream, headers, response) => {
    response.setHeader("x-a", "0");
    for (const [name, value] of Object.entries(headers ?? {})) response.appendHeader(name, value as string);
    response.end("ok");
  },
  writeEarlyHints: (_stream, headers, response) => {
    response.writeEarlyHints(Object.assign(headers ?? {}, { link: "</a>; rel=preload" }));
    response.end("ok");
  },
  addTrailers: (_stream, headers, response) => {
    response.write("ok");
    response.addTrailers(headers);
    response.end();
  },
};

/** What came of one header section, on both sides. */
async function sent(section: (reads: { count: number }) => Made, respond: Respond, options?: GuardOptions) {
  const reads = { count: 0 };
  const at = {
    thrown: undefined as unknown,
    errors: [] as unknown[],
    shown: undefined as unknown,
    given: undefined as unknown,
  };
  const { client } = await start((server) => {
    const answer = (stream: ServerHttp2Stream, response?: Http2ServerResponse) => {
      stream.on("error", (error) => at.errors.push((error as { code?: string }).code));
      const headers = section(reads);
      try {
        respond(stream, headers as never, response as Http2ServerResponse);
      } catch (error) {
        at.thrown = (error as { code?: string }).code ?? String(error);
        if (!stream.closed && !stream.headersSent) stream.respond({ ":status": 299 }, { endStream: true });
        else stream.end();
      }
      at.given = Array.isArray(headers) ? withoutDate(headers) : undefined;
      at.shown = stream.sentHeaders === undefined ? undefined : shownOf(stream.sentHeaders);
    };
    if (Object.values(COMPATIBLE).includes(respond))
      server.on("request", (_, response) => answer(response.stream, response));
    else server.on("stream", (stream) => answer(stream));
  }, options);
  const stream = send(client);
  const lines: unknown[] = [];
  const note = (_headers: unknown, _flags: number, raw: string[]) => lines.push(withoutDate(raw));
  stream
    .on("headers", note as never)
    .on("response", note as never)
    .on("trailers", note as never);
  stream.resume();
  await once(stream, "close").catch(() => {});
  return { ...at, lines, reads: reads.count };
}

/** A date that is of now is taken away; that there was one stays. */
function withoutDate(list: readonly unknown[]): unknown[] {
  return list.map((item, at) => (String(list[at - 1]).toLowerCase() === "date" && isNow(item) ? "now" : item));
}

function isNow(date: unknown): boolean {
  return Math.abs(Date.parse(String(date)) - Date.now()) < 60_000;
}

function shownOf(headers: OutgoingHttpHeaders): unknown {
  const shown = Reflect.ownKeys(headers)
    .filter((name) => headers[name as string] !== undefined)
    .map((name) => [
      String(name),
      name === "date" && isNow(headers.date) ? "now" : [headers[name as string]].flat().map(String).join(),
    ]);
  return { prototype: Object.getPrototypeOf(headers), fields: shown.sort() };
}

const NO_TEXT = ["null values", "a symbol as a value"];
const UNANSWERED = ["a field of HTTP/1", "a text that throws", "another pseudo-header field"];
const OF_FILES = [
  ...NO_TEXT,
  ...UNANSWERED,
  "a single field in capitals, twice",
  "a single field twice",
  "a space in a name",
];

/** Header sections that the guard mends: HF-17, MD-1, HF-1 and HF-10, IR-4, TR-2; and those for which Node answers nothing: MC-2. */
const MENDED: Readonly<Record<string, readonly string[]>> = {
  respond: [...NO_TEXT, "a list of an odd length"],
  "respond, at once at its end": [...NO_TEXT, "a list of an odd length"],
  respondWithFile: OF_FILES,
  respondWithFD: OF_FILES,
  additionalHeaders: ["no fields", "an undefined status"],
  writeHead: NO_TEXT,
  "writeHead, behind setHeader": NO_TEXT,
  setHeader: NO_TEXT,
  appendHeader: NO_TEXT,
  addTrailers: ["a sensitive field", "arrays of values"],
};

/** Trailers that Node refuses only when the content is out, where nobody can catch what it throws. */
const UNCAUGHT = /^capitals, single|^a single field|HTTP.1$|^a text that throws|^a symbol as a value/;

describe.each(Object.entries({ ...WAYS, ...COMPATIBLE }))("a header section given to %s", (way, respond) => {
  it.each(Object.keys(SECTIONS))("is sent, or refused, as without the guard: %s", async (what) => {
    if (way === "addTrailers" && UNCAUGHT.test(what)) return;
    const section = SECTIONS[what] as (typeof SECTIONS)[string];
    const bare = await sent(section, respond);
    for (const mode of ["enforce", "report"] as const) {
      if (mode === "enforce" && MENDED[way]?.includes(what)) continue;
      expect({ mode, ...(await sent(section, respond, { mode })) }).toEqual({ mode, ...bare });
    }
  });
});

describe.runIf(TAKES_LISTS)("a list of names and values", () => {
  const answer = async (headers: unknown[], content: string, then = (_headers: unknown[]) => {}) => {
    const { client, incidents } = await start((server) => {
      server.on("stream", (stream) => {
        stream.respond(headers as never);
        then(headers);
        setImmediate(() => stream.end(content));
      });
    }, {});
    const stream = send(client);
    const raw = once(stream, "response").then(([, , lines]) => withoutDate(lines as string[]));
    return { ...(await seen(stream)), raw: await raw, codes: incidents.map(({ code }) => code) };
  };

  it("is held to the length that stands in it", async () => {
    expect(await answer(["Content-Length", "9"], "abc")).toMatchObject({
      status: 500,
      complete: true,
      codes: ["MC-5"],
    });
    expect(await answer(["Content-Length", "2"], "abc")).toMatchObject({
      status: 500,
      complete: true,
      codes: ["MC-7"],
    });
    expect(await answer(["Content-Length", "3"], "abc")).toMatchObject({ status: 200, octets: 3, codes: [] });
  });

  it("is mended as any other header section is, and keeps what is sensitive", async () => {
    const headers = Object.assign(["X-A", "1\r\nx: 2", "X-B", "3"], { [sensitiveHeaders]: ["x-b"] });
    const { status, raw, codes } = await answer(headers, "abc");
    expect({ status, codes }).toEqual({ status: 200, codes: ["HF-3"] });
    expect(raw).toEqual([":status", "200", "x-a", "1 x: 2", "x-b", "3", "date", "now"]);
  });

  it("goes out as it was when it was given", async () => {
    const { raw } = await answer(["x-a", "1"], "abc", (headers) => headers.splice(0, Number.POSITIVE_INFINITY));
    expect(raw).toEqual([":status", "200", "x-a", "1", "date", "now"]);
  });
});

describe("an object of fields", () => {
  it("goes out as it was when it was given", async () => {
    const headers = { "x-a": "1", "x-b": ["2"] };
    const lines = await sent(
      () => headers,
      (stream, given) => {
        stream.respond(given);
        Object.assign(given, { "x-a": "9" });
        headers["x-b"].push("9");
        stream.end("ok");
      },
      {},
    );
    expect(lines.lines).toEqual([[":status", "200", "x-a", "1", "x-b", "2", "date", "now"]]);
  });

  it("is held to a length whose name is in capitals", async () => {
    const { client, incidents } = await start((server) => {
      server.on("stream", (stream) => {
        stream.respond({ "Content-Length": 9 });
        stream.end("abc");
      });
    }, {});
    expect(await seen(send(client))).toMatchObject({ status: 500, complete: true });
    expect(incidents.map(({ code }) => code)).toEqual(["MC-5"]);
  });
});
