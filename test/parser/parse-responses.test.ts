import { describe, expect, it } from "vitest";
import { type Problem, parseResponses } from "../../src/testing/index.js";
import { CHUNKED, HELLO, head } from "./streams/stream-case.js";

const CLOSING = `${head("Connection: close\r\nContent-Length: 3\r\n")}bye`;
const GET = { method: "GET" };
const HEAD = { method: "HEAD" };

function parse(
  octets: string,
  requests: { method: string; version?: "1.0" | "1.1" }[],
  end?: "fin" | "reset" | "open",
) {
  return parseResponses(Buffer.from(octets, "latin1"), { requests, ...(end === undefined ? {} : { end }) });
}

function codes(problems: readonly Problem[]): string[] {
  return problems.map(({ code, rule }) => `${code} ${rule}`);
}

describe("several responses on one connection", () => {
  it("are told apart by their framing, each with its place", () => {
    const chunked = `${CHUNKED}3\r\nabc\r\n0\r\n\r\n`;
    const { responses, problems } = parse(HELLO + chunked + CLOSING, [GET, GET, GET]);
    expect(problems).toEqual([]);
    expect(responses.map((response) => response.text())).toEqual(["hello", "abc", "bye"]);
    expect(responses.map(({ start }) => start)).toEqual([0, HELLO.length, HELLO.length + chunked.length]);
    expect(responses.map(({ closes }) => closes)).toEqual([false, false, true]);
  });

  it("are read after the method of each request", () => {
    const { responses, problems } = parse(head("Content-Length: 5\r\n") + HELLO, [HEAD, GET]);
    expect(problems).toEqual([]);
    expect(responses.map((response) => response.text())).toEqual(["", "hello"]);
  });

  it("are read after the version of each request", () => {
    const { responses, problems } = parse(HELLO, [{ method: "GET", version: "1.0" }, GET]);
    expect(problems).toEqual([]);
    expect(responses).toMatchObject([{ closes: true }]);
  });

  it("keep their interim responses apart", () => {
    const { responses } = parse(`HTTP/1.1 100 Continue\r\n\r\n${HELLO}HTTP/1.1 103 Early Hints\r\n\r\n${HELLO}`, [
      GET,
      GET,
    ]);
    expect(responses.map(({ interim }) => interim.map(({ status }) => status))).toEqual([[100], [103]]);
  });

  it("cannot be found behind one with surplus octets", () => {
    const { responses, problems } = parse(HELLO + HELLO, [HEAD, GET]);
    expect(responses).toMatchObject([{ complete: true }, { complete: false, status: 0 }]);
    expect(codes(problems)).toEqual(["not-http MC-7"]);
  });

  it("are not looked for behind an incomplete one", () => {
    const { responses, problems } = parse(HELLO.slice(0, -1), [GET, GET]);
    expect(responses).toMatchObject([{ complete: false }]);
    expect(codes(problems)).toEqual(["incomplete-content MC-5"]);
  });
});

describe("a response that closes the connection", () => {
  it("leaves later requests unanswered, which is no problem", () => {
    expect(parse(CLOSING, [GET, GET])).toMatchObject({ responses: [{ status: 200 }], problems: [] });
  });

  it("is followed by nothing", () => {
    const { responses, problems } = parse(CLOSING + HELLO, [GET, GET]);
    expect(responses).toHaveLength(1);
    expect(codes(problems)).toEqual(["surplus-octets MC-7"]);
  });
});

describe("requests without an answer", () => {
  it.each([
    ["fin", "MC-2"],
    ["reset", "MC-2"],
    ["open", "MC-1"],
  ] as const)("are a problem when the connection is %s", (end, rule) => {
    const { responses, problems } = parse(HELLO, [GET, GET, GET], end);
    expect(responses).toHaveLength(1);
    expect(problems).toMatchObject([{ code: "unanswered", rule, offset: HELLO.length }]);
  });

  it("are all that an empty stream shows", () => {
    expect(parse("", [GET])).toMatchObject({ responses: [], problems: [{ code: "unanswered", offset: 0 }] });
  });

  it("are none when there was no request, and every octet is surplus", () => {
    expect(parse("", [])).toEqual({ responses: [], problems: [] });
    expect(codes(parse(HELLO, []).problems)).toEqual(["surplus-octets MC-7"]);
  });
});
