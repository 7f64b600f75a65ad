import { broken, CHUNKED, DATE, flawed, good, HELLO, head, type StreamCase } from "./stream-case.js";

const NOT_MODIFIED = "HTTP/1.1 304 Not Modified";
const NO_CONTENT = "HTTP/1.1 204 No Content";
const RESET = "HTTP/1.1 205 Reset Content";

/** Five octets under a Content-Length as given. */
function length(value: string): string {
  return `${head(`Content-Length: ${value}\r\n`)}hello`;
}

/** One chunk under a Transfer-Encoding as given. */
function coded(value: string, more = ""): string {
  return `${head(`Transfer-Encoding: ${value}\r\n${more}`)}5\r\nhello\r\n0\r\n\r\n`;
}

export const LENGTHS: readonly StreamCase[] = [
  good("length with zeros in front", length("0005"), { content: "hello" }),
  good("length of nothing", head("Content-Length: 0\r\n"), { content: "", expected: { framing: "length" } }),
  flawed("space behind a length", length("5 "), "surrounding-whitespace HF-9", { content: "hello", nodeAccepts: true }),
  flawed("tab behind a length", length("5\t"), "surrounding-whitespace HF-9", { nodeAccepts: "from 22" }),
  flawed("two spaces before a length", length(" 5"), "surrounding-whitespace HF-9", { nodeAccepts: true }),
  broken("negative length", length("-5"), "bad-content-length FR-2"),
  broken("length with a sign", length("+5"), "bad-content-length FR-2"),
  broken("length with a fraction", length("5.0"), "bad-content-length FR-2"),
  broken("length in hexadecimal", length("0x5"), "bad-content-length FR-2"),
  broken("length with a word", length("5 octets"), "bad-content-length FR-2"),
  broken("length NaN", length("NaN"), "bad-content-length FR-2"),
  broken("empty length", length(""), "bad-content-length FR-2"),
  flawed("list of equal lengths", length("5, 5"), "bad-content-length FR-2", { content: "hello" }),
  broken("list of different lengths", length("5, 6"), "bad-content-length FR-2"),
  flawed("two equal lengths", length("5\r\nContent-Length: 5"), "repeated-content-length FR-3", { content: "hello" }),
  broken("two different lengths", length("5\r\nContent-Length: 6"), [
    "repeated-content-length FR-3",
    "bad-content-length FR-2",
  ]),
  broken("length beyond exact integers", length("9007199254740993"), "content-length-too-large FR-4"),
  broken("length beyond 64 bits", length("99999999999999999999"), "content-length-too-large FR-4"),
  flawed("bad length to HEAD", head("Content-Length: five\r\n"), "bad-content-length FR-2", { method: "HEAD" }),
];

export const CODINGS: readonly StreamCase[] = [
  good("chunked in capitals", coded("CHUNKED"), { content: "hello", expected: { framing: "chunked" } }),
  flawed("tab behind chunked", coded("chunked\t"), "surrounding-whitespace HF-9", {
    content: "hello",
    nodeAccepts: true,
  }),
  flawed("length beside chunked", coded("chunked", "Content-Length: 5\r\n"), "length-and-transfer-encoding FR-1", {
    content: "hello",
  }),
  flawed("bad length beside chunked", coded("chunked", "Content-Length: x\r\n"), [
    "length-and-transfer-encoding FR-1",
    "bad-content-length FR-2",
  ]),
  flawed("chunked twice in a list", coded("chunked, chunked"), "bad-transfer-encoding FR-9", { nodeAccepts: true }),
  flawed("chunked on two lines", coded("chunked\r\nTransfer-Encoding: chunked"), "bad-transfer-encoding FR-9", {
    nodeAccepts: true,
  }),
  flawed("chunked not last", coded("chunked, gzip"), "bad-transfer-encoding FR-9", {
    expected: { framing: "close" },
    nodeAccepts: true,
  }),
  flawed("gzip alone", coded("gzip"), "bad-transfer-encoding FR-9", {
    expected: { framing: "close" },
    nodeAccepts: true,
  }),
  flawed("identity", coded("identity"), "bad-transfer-encoding FR-9", {
    expected: { framing: "close" },
    nodeAccepts: true,
  }),
  flawed("empty Transfer-Encoding", coded(""), "bad-transfer-encoding FR-9", {
    expected: { framing: "close" },
    nodeAccepts: "before 22",
  }),
  flawed("chunked with a parameter", coded("chunked;q=1"), "bad-transfer-encoding FR-9", {
    expected: { framing: "close" },
    nodeAccepts: true,
  }),
  flawed("chunked misspelt", coded("xchunked"), "bad-transfer-encoding FR-9", {
    expected: { framing: "close" },
    nodeAccepts: true,
  }),
  flawed("gzip, then chunked, unasked", coded("gzip, chunked"), "unrequested-transfer-coding FR-10", {
    content: "hello",
    nodeAccepts: true,
  }),
  flawed("chunked to an HTTP/1.0 request", coded("chunked"), "transfer-encoding-to-1.0 FR-8", {
    requestVersion: "1.0",
    nodeAccepts: true,
  }),
  flawed(
    "chunked in an HTTP/1.0 response",
    `${CHUNKED.replace("HTTP/1.1", "HTTP/1.0")}0\r\n\r\n`,
    "transfer-encoding-to-1.0 FR-8",
    { nodeAccepts: true },
  ),
];

export const WITHOUT_CONTENT: readonly StreamCase[] = [
  good("HEAD with length", head("Content-Length: 5\r\n"), {
    method: "HEAD",
    content: "",
    expected: { framing: "none" },
  }),
  good("HEAD with chunked", CHUNKED, { method: "HEAD", expected: { framing: "none" } }),
  flawed("HEAD with content", HELLO, "surplus-octets FR-11", { method: "HEAD", content: "" }),
  flawed("HEAD with the last chunk", `${CHUNKED}0\r\n\r\n`, "surplus-octets FR-11", { method: "HEAD" }),
  good("204", head("", NO_CONTENT), { expected: { framing: "none", closes: false } }),
  flawed("204 with length", head("Content-Length: 0\r\n", NO_CONTENT), "framing-field-not-allowed FR-5", {
    nodeAccepts: true,
  }),
  flawed("204 with chunked", head("Transfer-Encoding: chunked\r\n", NO_CONTENT), "framing-field-not-allowed FR-6", {
    nodeAccepts: true,
  }),
  flawed("204 with content", `${head("", NO_CONTENT)}hello`, "surplus-octets FR-12"),
  good("205 without content", head("Content-Length: 0\r\n", RESET)),
  flawed("205 with content", `${head("Content-Length: 5\r\n", RESET)}hello`, "content-not-allowed FR-13", {
    nodeAccepts: true,
  }),
  flawed(
    "205 with chunked content",
    `${head("Transfer-Encoding: chunked\r\n", RESET)}1\r\na\r\n0\r\n\r\n`,
    "content-not-allowed FR-13",
    { nodeAccepts: true },
  ),
  good("304 with length", head("Content-Length: 5\r\n", NOT_MODIFIED), { expected: { framing: "none" } }),
  good("304 with chunked", head("Transfer-Encoding: chunked\r\n", NOT_MODIFIED)),
  flawed("304 with content", `${head("Content-Length: 5\r\n", NOT_MODIFIED)}hello`, "surplus-octets FR-12"),
  good("CONNECT accepted", `${head()}tunnelled`, { method: "CONNECT", expected: { framing: "none", closes: true } }),
  flawed("CONNECT accepted with length", head("Content-Length: 0\r\n"), "framing-field-not-allowed FR-7", {
    method: "CONNECT",
    nodeAccepts: true,
  }),
  good("CONNECT refused", `${head("Content-Length: 5\r\n", "HTTP/1.1 403 Forbidden")}hello`, {
    method: "CONNECT",
    content: "hello",
  }),
];

export const TO_THE_CLOSE: readonly StreamCase[] = [
  good("content until the close", `${head("Connection: close\r\n")}hello`, {
    content: "hello",
    expected: { framing: "close", closes: true },
  }),
  good("no content until the close", head(), { content: "", expected: { framing: "close", closes: true } }),
  good("content until the close from HTTP/1.0", `HTTP/1.0 200 OK\r\n${DATE}\r\nhello`, { content: "hello" }),
  broken("content until a reset", `${head("Connection: close\r\n")}hello`, "incomplete-content MC-1", {
    end: "reset",
    content: "hello",
    nodeAccepts: "at times",
  }),
  broken("content until the close, still open", `${head("Connection: close\r\n")}hello`, "incomplete-content MC-1", {
    end: "open",
    content: "hello",
  }),
];
