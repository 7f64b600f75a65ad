import { describe, expect, it } from "vitest";
import { RULES } from "../../src/parser/problems.js";
import { type ParsedResponse, type Problem, parseResponse } from "../../src/testing/index.js";
import { STREAMS, type StreamCase } from "./streams/index.js";

const ALL = Object.values(STREAMS).flat();

function parse({ octets, method = "GET", end = "fin", requestVersion = "1.1" }: StreamCase): ParsedResponse {
  const response = parseResponse(Buffer.from(octets, "latin1"), { method, end, requestVersion });
  if (response === null) throw new Error("a stream of the table is empty");
  return response;
}

function codes(problems: readonly Problem[]): string[] {
  return problems.map(({ code, rule }) => (rule === undefined ? code : `${code} ${rule}`));
}

describe.each(Object.entries(STREAMS))("%s", (_subject, streams) => {
  it.each(streams.map((stream) => [stream.name, stream] as const))("%s", (_name, stream) => {
    const response = parse(stream);
    expect(codes(response.problems)).toEqual(stream.problems);
    expect(response.complete).toBe(stream.complete);
    expect(response).toMatchObject(stream.expected ?? {});
    if (stream.content !== undefined) expect(response.content.toString("latin1")).toBe(stream.content);
    if (stream.fields !== undefined) expect(response.fields.slice(-stream.fields.length)).toEqual(stream.fields);
    if (stream.trailers !== undefined) expect(response.trailers).toEqual(stream.trailers);
    if (stream.interim !== undefined) expect(response.interim.map(({ status }) => status)).toEqual(stream.interim);
  });
});

describe("the table of streams", () => {
  it("holds more than 100 streams, each of its own name", () => {
    expect(ALL.length).toBeGreaterThan(100);
    expect(new Set(ALL.map(({ name }) => name)).size).toBe(ALL.length);
  });

  it("shows every code that octets can show", () => {
    const shown = new Set(ALL.flatMap(({ problems }) => problems.map((entry) => entry.split(" ")[0])));
    // These tell of requests and connections, not of octets: exchange() and parseResponses() have tests for them.
    const others = ["no-connection", "not-closed", "unanswered", "unrequested-switch"];
    expect(Object.keys(RULES).filter((code) => !shown.has(code))).toEqual(others);
  });
});

describe("a parsed response", () => {
  const octets = Buffer.from(
    "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 08:49:37 GMT\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 7\r\n\r\n\u{1f600}abc",
  );

  it("finds fields in any case", () => {
    const response = parseResponse(octets);
    expect(response?.field("x-A")).toBe("1");
    expect(response?.fieldLines("X-A")).toEqual(["1", "2"]);
    expect(response?.field("absent")).toBeUndefined();
  });

  it("reads content as UTF-8", () => {
    expect(parseResponse(octets)?.text()).toBe("\u{1f600}abc");
  });

  it("tells where it stands in the stream", () => {
    expect(parseResponse(octets)).toMatchObject({ start: 0, end: octets.length });
  });

  it("takes a view of a larger buffer for what it is", () => {
    const larger = new Uint8Array(octets.length + 10).fill(88);
    larger.set(octets, 5);
    expect(parseResponse(larger.subarray(5, 5 + octets.length))?.problems).toEqual([]);
  });

  it("is null when there is no octet", () => {
    expect(parseResponse(new Uint8Array(0))).toBeNull();
  });

  it("shows no terminal escape in a message", () => {
    const [first] = parseResponse(Buffer.from("\x1b[31m\x7f\x9bnot http", "latin1"))?.problems ?? [];
    expect(first?.message).toMatch(/^[\x20-\x7e]+$/);
  });
});
