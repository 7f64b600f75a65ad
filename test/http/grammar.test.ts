import { describe, expect, it } from "vitest";
import * as grammar from "../../src/http/grammar.js";

const OCTETS = Array.from({ length: 256 }, (_, octet) => String.fromCharCode(octet));

function octets(matches: (octet: string) => boolean): string {
  return OCTETS.filter(matches).join("");
}

describe("the grammar of messages", () => {
  it("has the 77 characters of a token, and no other", () => {
    const tchar = "!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~";
    expect(octets((octet) => grammar.TOKEN.test(octet))).toBe(tchar);
    expect(octets((octet) => grammar.LOWER_CASE_TOKEN.test(octet))).toBe(tchar.replace(/[A-Z]/g, ""));
    for (const text of ["", "a b", "a\n", "\u0100", "\u017f"]) expect(grammar.isToken(text)).toBe(false);
  });

  it("lets a value hold HTAB, SP, visible and obs-text octets, and nothing beyond an octet", () => {
    const isText = (octet: string) => octet === "\t" || (octet >= " " && octet !== "\x7f");
    expect(octets((octet) => grammar.FIELD_VALUE.test(octet))).toBe(octets(isText));
    expect(octets((octet) => !grammar.NOT_IN_VALUE.test(octet))).toBe(octets(isText));
    expect(octets((octet) => grammar.QUOTED_STRING.test(`"${octet}"`))).toBe(
      octets((octet) => isText(octet) && octet !== '"' && octet !== "\\"),
    );
    expect(octets((octet) => grammar.QUOTED_STRING.test(`"\\${octet}"`))).toBe(octets(isText));
    expect(grammar.FIELD_VALUE.test("\u0100")).toBe(false);
    expect(grammar.NOT_IN_VALUE.test("\u0100")).toBe(true);
  });

  it("takes an empty value, an empty quoted string and an empty reason phrase, and no empty token", () => {
    expect(grammar.FIELD_VALUE.test("")).toBe(true);
    expect(grammar.QUOTED_STRING.test('""')).toBe(true);
    expect(grammar.STATUS_LINE.test("HTTP/1.1 200 \r\n")).toBe(true);
    expect(grammar.FIELD_LINE.test(": a")).toBe(false);
  });

  it.each([
    ["A: b", "A", "b"],
    ["A:b", "A", "b"],
    ["A:  b ", "A", " b "],
    ["A:", "A", ""],
    ["A: \xa0", "A", "\xa0"],
  ])("reads %j as a field line, and keeps what is more than one space", (line, name, value) => {
    expect(grammar.FIELD_LINE.exec(line)?.slice(1)).toEqual([name, value]);
  });

  it.each(["A : b", " A: b", "A", "A: b\r", "A: b\n", "A: \0"])("reads %j as no field line", (line) => {
    expect(grammar.FIELD_LINE.test(line)).toBe(false);
  });

  it.each(["HTTP/1.1 200\r\n", "HTTP/1.1 20 OK\r\n", "HTTP/2 200 OK\r\n", "HTTP/1.1 200 O\rK\r\n", "HTTP/1.1 200 OK"])(
    "reads %j as no status line",
    (line) => {
      expect(grammar.STATUS_LINE.test(line)).toBe(false);
    },
  );

  it("reads method, target and version of a request line", () => {
    expect(grammar.REQUEST_LINE.exec("GET /a?b HTTP/1.0")?.slice(1)).toEqual(["GET", "/a?b", "1.0"]);
    for (const line of ["GET  HTTP/1.1", "GET / HTTP/2", "G@T / HTTP/1.1", "GET / HTTP/1.1\r", " GET / HTTP/1.1"]) {
      expect(grammar.REQUEST_LINE.test(line)).toBe(false);
    }
  });

  it("makes one space of a run of what no value may hold, and keeps the octet A0 at the end of it", () => {
    expect(grammar.cleanValue("a\r\n\0b\xa0")).toBe("a b\xa0");
    expect(grammar.cleanValue("\r\na\u0100")).toBe("a");
    expect(grammar.cleanValue(" a ")).toBe(" a ");
  });
});
