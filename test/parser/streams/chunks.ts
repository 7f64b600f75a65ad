import { broken, CHUNKED, flawed, good, HELLO, head, type StreamCase } from "./stream-case.js";

/** Chunked content with trailer lines. */
function trailed(lines: string): string {
  return `${CHUNKED}5\r\nhello\r\n0\r\n${lines}\r\n`;
}

export const CHUNKS: readonly StreamCase[] = [
  good("one chunk", `${CHUNKED}5\r\nhello\r\n0\r\n\r\n`, { content: "hello" }),
  good("no chunk but the last", `${CHUNKED}0\r\n\r\n`, { content: "" }),
  good("several chunks", `${CHUNKED}1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n`, { content: "hello" }),
  good("sizes in both cases", `${CHUNKED}a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n`, {
    content: "01234567890123456789a",
  }),
  good("size with zeros in front", `${CHUNKED}00000005\r\nhello\r\n000\r\n\r\n`, { content: "hello" }),
  good("CRLF in chunk data", `${CHUNKED}7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n`, { content: "\r\n0\r\n\r\n" }),
  good("chunk extensions", `${CHUNKED}5;a;b=c;d="e f\\"g"\r\nhello\r\n0;last\r\n\r\n`, { content: "hello" }),
  flawed("space behind a size", `${CHUNKED}5 \r\nhello\r\n0\r\n\r\n`, "bad-chunk-extension FR-18", {
    content: "hello",
  }),
  flawed("space in an extension", `${CHUNKED}5; a=b\r\nhello\r\n0\r\n\r\n`, "bad-chunk-extension FR-18"),
  flawed("extension without a name", `${CHUNKED}5;=b\r\nhello\r\n0\r\n\r\n`, "bad-chunk-extension FR-18", {
    nodeAccepts: true,
  }),
  flawed("extension with an open quote", `${CHUNKED}5;a="b\r\nhello\r\n0\r\n\r\n`, "bad-chunk-extension FR-18"),
  broken("size in decimal words", `${CHUNKED}five\r\nhello\r\n0\r\n\r\n`, "bad-chunk-size FR-18"),
  broken("size with 0x", `${CHUNKED}0x5\r\nhello\r\n0\r\n\r\n`, "bad-chunk-size FR-18"),
  broken("negative size", `${CHUNKED}-5\r\nhello\r\n0\r\n\r\n`, "bad-chunk-size FR-18"),
  broken("empty size", `${CHUNKED}\r\nhello\r\n0\r\n\r\n`, "bad-chunk-size FR-18"),
  broken("space before a size", `${CHUNKED} 5\r\nhello\r\n0\r\n\r\n`, "bad-chunk-size FR-18"),
  broken("size beyond exact integers", `${CHUNKED}FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n`, "bad-chunk-size FR-18"),
  broken("content that is not chunked", `${CHUNKED}hello`, "incomplete-content MC-6"),
  broken("size too small", `${CHUNKED}4\r\nhello\r\n0\r\n\r\n`, "missing-chunk-end FR-18", { content: "hell" }),
  broken("size too large", `${CHUNKED}6\r\nhello\r\n0\r\n\r\n`, "missing-chunk-end FR-18", { content: "hello\r" }),
  broken("no CRLF behind chunk data", `${CHUNKED}5\r\nhello0\r\n\r\n`, "missing-chunk-end FR-18"),
  broken("LF behind chunk data", `${CHUNKED}5\r\nhello\n0\r\n\r\n`, "missing-chunk-end FR-18"),
  flawed("LF behind a size", `${CHUNKED}5\nhello\r\n0\r\n\r\n`, "bare-lf FR-18", { content: "hello" }),
  broken("two CR behind a size", `${CHUNKED}5\r\r\nhello\r\n0\r\n\r\n`, "bad-chunk-size FR-18"),
  flawed("octets behind the last chunk", `${CHUNKED}5\r\nhello\r\n0\r\n\r\n2\r\nhi\r\n`, "surplus-octets MC-7", {
    content: "hello",
  }),
];

export const TRAILERS: readonly StreamCase[] = [
  good("trailers", trailed("X: a\r\nY: b\r\n"), {
    trailers: [
      ["X", "a"],
      ["Y", "b"],
    ],
    content: "hello",
  }),
  flawed("bad trailer name", trailed("X Y: a\r\n"), "bad-field-name TR-4"),
  flawed("trailer with a control", trailed("X: \x07\r\n"), "control-octet TR-4"),
  flawed("trailer without colon", trailed("X\r\n"), "missing-colon TR-4"),
  flawed("trailer ends in LF", trailed("X: a\n"), "bare-lf HF-6"),
  flawed("Content-Length as a trailer", trailed("Content-Length: 5\r\n"), "forbidden-trailer TR-2"),
  flawed("Transfer-Encoding as a trailer", trailed("Transfer-Encoding: chunked\r\n"), "forbidden-trailer TR-2", {
    nodeAccepts: true,
  }),
  flawed("Set-Cookie as a trailer", trailed("Set-Cookie: a=b\r\n"), "forbidden-trailer TR-2", { nodeAccepts: true }),
  broken("last chunk without the empty line", `${CHUNKED}5\r\nhello\r\n0\r\n`, "incomplete-trailer-section MC-6", {
    content: "hello",
  }),
  broken("stop within a trailer", `${CHUNKED}5\r\nhello\r\n0\r\nX: a\r\n`, "incomplete-trailer-section MC-6", {
    content: "hello",
  }),
];

export const ENDS: readonly StreamCase[] = [
  broken("stop within HTTP", "HTT", "incomplete-status-line MC-2"),
  broken("stop within the status line", "HTTP/1.1 200 O", "incomplete-status-line MC-2", { expected: { status: 0 } }),
  broken("stop behind the status line", "HTTP/1.1 200 OK\r\n", "incomplete-header-section MC-4", {
    expected: { status: 200 },
  }),
  broken("stop within a field", "HTTP/1.1 200 OK\r\nContent-Le", "incomplete-header-section MC-4"),
  broken("stop before the empty line", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "incomplete-header-section MC-4"),
  broken("stop behind the header section", head("Content-Length: 5\r\n"), "incomplete-content MC-5", { content: "" }),
  broken("stop within the content", HELLO.slice(0, -2), "incomplete-content MC-5", { content: "hel" }),
  broken("reset within the content", HELLO.slice(0, -2), "incomplete-content MC-5", { end: "reset", content: "hel" }),
  broken("silence within the content", HELLO.slice(0, -2), "incomplete-content MC-5", { end: "open", content: "hel" }),
  good("complete, then reset", HELLO, { end: "reset", content: "hello" }),
  good("complete, still open", HELLO, { end: "open", content: "hello" }),
  broken("stop within an interim response", "HTTP/1.1 103 Early Hints\r\nLink: <", "incomplete-header-section MC-4"),
  broken("stop before the first chunk", CHUNKED, "incomplete-content MC-6", { content: "" }),
  broken("stop within a size", `${CHUNKED}5`, "incomplete-content MC-6"),
  broken("stop within chunk data", `${CHUNKED}5\r\nhel`, "incomplete-content MC-6", { content: "hel" }),
  broken("stop behind chunk data", `${CHUNKED}5\r\nhello`, "incomplete-content MC-6", { content: "hello" }),
  broken("stop between CR and LF of a chunk", `${CHUNKED}5\r\nhello\r`, "incomplete-content MC-6", {
    content: "hello",
  }),
  broken("stop before the last chunk", `${CHUNKED}5\r\nhello\r\n`, "incomplete-content MC-6", { content: "hello" }),
  flawed("one octet too many", `${HELLO}!`, "surplus-octets MC-7", { content: "hello" }),
  flawed("CRLF too many", `${HELLO}\r\n`, "surplus-octets MC-7", { nodeAccepts: true }),
  flawed("a second response nobody asked for", HELLO + HELLO, "surplus-octets MC-7", {
    content: "hello",
    nodeAccepts: true,
  }),
  flawed(
    "octets behind a response that closes",
    `${head("Connection: close\r\nContent-Length: 5\r\n")}hello!`,
    "surplus-octets MC-7",
  ),
];
