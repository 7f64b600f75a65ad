import { describe, expect, it } from "vitest";
import {
  awaitsContent,
  endOfSection,
  type FieldLine,
  fieldLinesIn,
  linesIn,
  readStatus,
  reasonIn,
  renderFields,
  sectionOf,
  statusIn,
} from "../../src/http/message.js";

describe("a header section", () => {
  const fields: FieldLine[] = [
    ["A", "b"],
    ["Set-Cookie", "c: d"],
    ["Set-Cookie", " e "],
    ["Empty", ""],
  ];
  const section = `HTTP/1.1 200 OK\r\n${renderFields(fields)}\r\n`;

  it("is the same after it was taken apart and put together", () => {
    expect(fieldLinesIn(section)).toEqual(fields);
    expect(sectionOf(linesIn(section) ?? [])).toBe(section);
    expect(statusIn(section)).toBe(200);
  });

  it("has values without a space before them, and no field in a line without a name", () => {
    expect(fieldLinesIn("HTTP/1.1 200 OK\r\nA:b\r\n: c\r\nd\r\n\r\n")).toEqual([["A", "b"]]);
  });

  it("has no lines to rely on while it does not end with an empty one", () => {
    expect(linesIn("HTTP/1.1 200 OK\r\nA: b\r\n")).toBeUndefined();
    expect(linesIn("HTTP/1.1 103 \r\n\r\nA: b\r\n\r\n")).toEqual(["HTTP/1.1 103 ", "", "A: b"]);
  });

  it("ends behind the first empty line", () => {
    const octets = Buffer.from(`${section}ok\r\n\r\n`);
    expect(endOfSection(octets)).toBe(section.length);
    expect(endOfSection(octets, section.length)).toBe(section.length + 6);
    expect(endOfSection(Buffer.from("HTTP/1.1 200 OK\r\n"))).toBe(-1);
  });
});

describe("a status line", () => {
  it("has a reason phrase, with whatever the app has put into it", () => {
    expect(reasonIn("HTTP/1.1 200 \r\n")).toBe("");
    expect(reasonIn("HTTP/1.1 200 a\r\nb\r\n")).toBe("a\r\nb");
  });

  it.each([
    ["HTTP/1.1 103 Early Hints", 103],
    ["HTTP/1.0 200\r\n", 200],
    ["HTTP/1.1 20", undefined],
    ["HTTP/1.1 2000", undefined],
    ["HTTP/2 200 ", undefined],
    [" HTTP/1.1 200 ", undefined],
    ["", undefined],
  ])("%j has the status code %s", (octets, status) => {
    expect(readStatus(Buffer.from(octets))).toBe(status);
  });
});

describe("content of a request", () => {
  it.each([
    [{}, false],
    [{ "content-length": "0" }, false],
    [{ "content-length": "1" }, true],
    [{ "transfer-encoding": "chunked" }, true],
    [{ "transfer-encoding": "chunked", "content-length": "0" }, true],
    [{ "content-type": "text/plain" }, false],
  ])("is announced by %j: %s", (headers, announced) => {
    expect(awaitsContent({ complete: false, headers })).toBe(announced);
    expect(awaitsContent({ complete: true, headers })).toBe(false);
  });
});
