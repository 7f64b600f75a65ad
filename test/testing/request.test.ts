import { describe, expect, it } from "vitest";
import { type ExchangeRequest, encodeRequest, readRequests } from "../../src/testing/request.js";

function encode(request: ExchangeRequest): string {
  return encodeRequest(request, "origin:80", "/").octets.toString("latin1");
}

describe("a structured request", () => {
  it.each<[string, ExchangeRequest, string]>([
    ["is a GET of / by default", {}, "GET / HTTP/1.1\r\nHost: origin:80\r\n\r\n"],
    [
      "has method, path and version",
      { method: "HEAD", path: "/a?b", version: "1.0" },
      "HEAD /a?b HTTP/1.0\r\nHost: origin:80\r\n\r\n",
    ],
    [
      "counts its content in octets",
      { body: "\u00e9" },
      "GET / HTTP/1.1\r\nHost: origin:80\r\nContent-Length: 2\r\n\r\n\xc3\xa9",
    ],
    [
      "takes octets as content",
      { method: "PUT", body: Uint8Array.of(255) },
      "PUT / HTTP/1.1\r\nHost: origin:80\r\nContent-Length: 1\r\n\r\n\xff",
    ],
    [
      "says so when a POST has no content",
      { method: "POST" },
      "POST / HTTP/1.1\r\nHost: origin:80\r\nContent-Length: 0\r\n\r\n",
    ],
    [
      "keeps Host and Content-Length as given",
      { headers: { host: "a", "content-length": "9" }, body: "x" },
      "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nx",
    ],
    [
      "leaves the chunks to the caller",
      { headers: { "Transfer-Encoding": "chunked" }, body: "0\r\n\r\n" },
      "GET / HTTP/1.1\r\nHost: origin:80\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    [
      "writes a line per value",
      { headers: { A: ["1", "2"] } },
      "GET / HTTP/1.1\r\nHost: origin:80\r\nA: 1\r\nA: 2\r\n\r\n",
    ],
    [
      "keeps the order of pairs",
      {
        headers: [
          ["B", "1"],
          ["A", "\xff"],
          ["B", "2"],
        ],
      },
      "GET / HTTP/1.1\r\nHost: origin:80\r\nB: 1\r\nA: \xff\r\nB: 2\r\n\r\n",
    ],
    ["leaves a field out that has no value", { headers: { Host: [] } }, "GET / HTTP/1.1\r\n\r\n"],
  ])("%s", (_fact, request, octets) => {
    expect(encode(request)).toBe(octets);
  });

  it.each<[string, unknown]>([
    ["method", { method: "GET /" }],
    ["path", { path: "/a b" }],
    ["path", { path: "/\r\nX: a" }],
    ["version", { version: "2.0" }],
    ["field name", { headers: { "A:": "1" } }],
    ["A must be", { headers: { A: "1\r\nB: 2" } }],
    ["A must be", { headers: { A: "\u0100" } }],
    ["A must be", { headers: { A: 1 } }],
    ["body", { body: 5 }],
    ["url", { url: "/" }],
    ["request", null],
  ])("is refused with a bad %s", (what, request) => {
    expect(() => encode(request as ExchangeRequest)).toThrow(
      expect.objectContaining({ code: "ERR_RAYGUARD_INVALID_ARGUMENT", message: expect.stringContaining(what) }),
    );
  });
});

describe("requests written by hand", () => {
  const head = "POST /a HTTP/1.1\r\nHost: a\r\n";
  it.each<[string, string, string[]]>([
    ["one", "GET / HTTP/1.1\r\n\r\n", ["GET 1.1"]],
    ["HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", ["GET 1.0 close"]],
    ["HTTP/1.0 kept alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", ["GET 1.0"]],
    ["close", "GET / HTTP/1.1\r\nconnection: x, close\r\n\r\n", ["GET 1.1 close"]],
    ["upgrade", "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\x81\x02\r\n", ["GET 1.1 upgrade"]],
    [
      "several",
      "GET / HTTP/1.1\r\n\r\nHEAD / HTTP/1.1\r\n\r\nPUT / HTTP/1.1\r\n\r\n",
      ["GET 1.1", "HEAD 1.1", "PUT 1.1"],
    ],
    ["empty line before", "\r\nHEAD / HTTP/1.1\r\n\r\n", ["HEAD 1.1"]],
    ["behind content", `${head}Content-Length: 4\r\n\r\nGET GET / HTTP/1.1\r\n\r\n`, ["POST 1.1", "GET 1.1"]],
    [
      "behind chunks",
      `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\n\r\nHEAD / HTTP/1.1\r\n\r\n`,
      ["POST 1.1", "HEAD 1.1"],
    ],
    ["unfinished content", `${head}Content-Length: 40\r\n\r\nGET / HTTP/1.1\r\n\r\n`, ["POST 1.1"]],
    ["unfinished chunks", `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nGE`, ["POST 1.1"]],
    ["bad length", `${head}Content-Length: x\r\n\r\nGET / HTTP/1.1\r\n\r\n`, ["POST 1.1"]],
    ["unfinished header section", "GET / HTTP/1.1\r\nHost:", ["GET 1.1"]],
    ["unfinished second", "GET / HTTP/1.1\r\n\r\nHEAD / HTTP/1.1\r\nHost:", ["GET 1.1"]],
    ["garbage, to be answered with 400", "GARBAGE\r\n\r\n", ["GARBAGE 1.1"]],
    [
      "garbage behind a request",
      "HEAD / HTTP/1.1\r\n\r\nGARBAGE IN\r\n\r\nGET / HTTP/1.1\r\n\r\n",
      ["HEAD 1.1", "GARBAGE 1.1"],
    ],
    ["octets of another protocol", "\x16\x03\x01", ["\x16\x03\x01 1.1"]],
    ["CONNECT", "CONNECT a:1 HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", ["CONNECT 1.1"]],
    ["nothing", "", ["GET 1.1"]],
  ])("are found: %s", (_name, octets, expected) => {
    const { requests } = readRequests(Buffer.from(octets, "latin1"));
    const found = requests.map(({ method, version, close, upgrade }) =>
      [method, version, close ? "close" : [], upgrade ? "upgrade" : []].flat().join(" "),
    );
    expect(found).toEqual(expected);
  });
});
