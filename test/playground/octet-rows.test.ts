import { parseResponses } from "rayguard/testing";
import { describe, expect, it } from "vitest";
import { requestRows, responseRows } from "../../playground/page/server/octet-rows.js";
import { requestsIn } from "../../playground/page/server/requests-on-wire.js";

const DATE = "Date: Wed, 25 Nov 2026 12:00:00 GMT\r\n";

describe("octets of a response, line by line", () => {
  it.each([
    [
      "with a length",
      `HTTP/1.1 200 OK\r\n${DATE}Content-Length: 2\r\n\r\nok`,
      ["status", "field", "field", "blank", "content"],
    ],
    [
      "in chunks with trailers",
      `HTTP/1.1 200 OK\r\n${DATE}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n`,
      ["status", "field", "field", "blank", "chunk", "content", "chunk", "trailer", "blank"],
    ],
    [
      "behind an interim response",
      `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n${DATE}\r\n`,
      ["interim", "field", "blank", "status", "field", "blank"],
    ],
    [
      "with more than its length",
      `HTTP/1.1 200 OK\r\n${DATE}Content-Length: 1\r\n\r\nokay`,
      ["status", "field", "field", "blank", "content", "surplus"],
    ],
    ["that is none", "pool exhausted\r\n", ["unread"]],
    ["that stops in its header section", "HTTP/1.1 200 OK\r\nContent-Le", ["status", "field"]],
    ["with a line that has no colon", `HTTP/1.1 200 OK\r\nX-Request-Id 42\r\n${DATE}\r\n`, undefined],
    [
      "cut in mid-chunk",
      `HTTP/1.1 200 OK\r\n${DATE}Transfer-Encoding: chunked\r\n\r\nff\r\nabc`,
      ["status", "field", "field", "blank", "chunk", "content"],
    ],
  ])("covers each octet once %s", (_what, text, kinds) => {
    const octets = Buffer.from(text, "latin1");
    const { responses, problems } = parseResponses(octets, { requests: [{ method: "GET" }] });
    const rows = responseRows(octets, responses, problems);
    expect(rows.map((row) => unescaped(row.text)).join("")).toBe(text);
    expect(rows.map(({ offset }) => offset)).toEqual(rows.map((_row, i) => lengthBefore(rows, i)));
    if (kinds) expect(rows.map(({ kind }) => kind)).toEqual(kinds);
    // No problem is lost on the way to the page.
    expect(rows.flatMap((row) => row.problems.map(({ code }) => code))).toEqual(
      [...problems].sort((a, b) => a.offset - b.offset).map(({ code }) => code),
    );
  });

  it("says what it leaves out of a long field", () => {
    const octets = Buffer.from(`HTTP/1.1 200 OK\r\n${DATE}Set-Cookie: ${"x".repeat(150_000)}\r\n\r\n`);
    const { responses, problems } = parseResponses(octets, { requests: [{ method: "GET" }] });
    const row = responseRows(octets, responses, problems)[2];
    expect(row?.text).toHaveLength(240);
    expect(row?.omitted).toBe("Set-Cookie: \r\n".length + 150_000 - 240);
  });
});

describe("octets of requests", () => {
  it("finds each request with its content", () => {
    const text =
      "POST /a HTTP/1.1\r\nCF-Ray: 0123456789abcdef-AMS\r\nContent-Length: 2\r\n\r\nok" +
      "PUT /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET /c HTTP/1.0\r\n\r\n";
    const octets = Buffer.from(text);
    const requests = requestsIn(octets);
    expect(requests.map(({ method, target, version, ray }) => [method, target, version, ray])).toEqual([
      ["POST", "/a", "1.1", "0123456789abcdef"],
      ["PUT", "/b", "1.1", ""],
      ["GET", "/c", "1.0", ""],
    ]);
    const rows = requestRows(octets, requests);
    expect(rows.map((row) => unescaped(row.text)).join("")).toBe(text);
  });

  it("stops at what is no request of HTTP/1", () => {
    expect(requestsIn(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))).toEqual([]);
  });
});

function lengthBefore(rows: readonly { text: string; omitted: number }[], index: number): number {
  return rows.slice(0, index).reduce((sum, { text, omitted }) => sum + unescaped(text).length + omitted, 0);
}

function unescaped(text: string): string {
  const escapes: Record<string, string> = { r: "\r", n: "\n", t: "\t", "\\": "\\" };
  return text.replace(/\\(?:([rnt\\])|x([0-9a-f]{2}))/g, (_all, short: string | undefined, hex: string) =>
    short === undefined ? String.fromCharCode(Number.parseInt(hex, 16)) : (escapes[short] as string),
  );
}
