import { DATE, flawed, good, HELLO, head, type StreamCase } from "./stream-case.js";

/** A response of no content with one more field line, or what stands for it. */
function withLine(line: string): string {
  return head(`Content-Length: 0\r\n${line}`);
}

export const FIELDS: readonly StreamCase[] = [
  good("field with spaces around its value", withLine("X:  a \t\r\n"), { fields: [["X", "a"]] }),
  good("field without space", withLine("X:a\r\n"), { fields: [["X", "a"]] }),
  good("empty value", withLine("X:\r\nY: \r\n"), {
    fields: [
      ["X", ""],
      ["Y", ""],
    ],
  }),
  good("every token octet in a name", withLine("!#$%&'*+-.^_`|~09AZaz: a\r\n"), {
    fields: [["!#$%&'*+-.^_`|~09AZaz", "a"]],
  }),
  good("value with obs-text", withLine("X: caf\xe9\r\n"), { fields: [["X", "caf\xe9"]] }),
  good("value with HTAB and colons", withLine("X: a\tb:c: d\r\n"), { fields: [["X", "a\tb:c: d"]] }),
  good("two Set-Cookie", withLine("Set-Cookie: a=1\r\nset-cookie: b=2\r\n"), {
    fields: [
      ["Set-Cookie", "a=1"],
      ["set-cookie", "b=2"],
    ],
  }),
  good("name in capitals", `HTTP/1.1 200 OK\r\nDATE: Sun, 22 Nov 2026 08:49:37 GMT\r\nCONTENT-LENGTH: 5\r\n\r\nhello`, {
    content: "hello",
  }),
  flawed("space before the colon", withLine("X : a\r\n"), "space-before-colon HF-2", { fields: [["X", "a"]] }),
  flawed("HTAB before the colon", withLine("X\t: a\r\n"), "space-before-colon HF-2"),
  flawed("space in a name", withLine("X Y: a\r\n"), "bad-field-name HF-1"),
  flawed("empty name", withLine(": a\r\n"), "bad-field-name HF-1"),
  flawed("name with a separator", withLine("X(1): a\r\n"), "bad-field-name HF-1"),
  flawed("name with obs-text", withLine("Caf\xe9: a\r\n"), "bad-field-name HF-1"),
  flawed("no colon", withLine("nonsense\r\n"), "missing-colon HF-1"),
  flawed("folded value", withLine("X: a\r\n b\r\n"), "folded-line HF-5", { fields: [["X", "a b"]] }),
  flawed("value folded with HTAB", withLine("X: a\r\n\tb\r\n"), "folded-line HF-5"),
  flawed(
    "whitespace leads the first line",
    `HTTP/1.1 200 OK\r\n X: a\r\n${DATE}Content-Length: 0\r\n\r\n`,
    "leading-whitespace-line HF-7",
  ),
  flawed("line of whitespace before the end", withLine("X: a\r\n \r\n"), "folded-line HF-5"),
  flawed("field line ends in LF", withLine("X: a\n"), "bare-lf HF-6"),
  flawed("header section ends in LF", `HTTP/1.1 200 OK\r\n${DATE}Content-Length: 0\r\n\n`, "bare-lf HF-6"),
  flawed(
    "every line ends in LF",
    "HTTP/1.1 200 OK\nDate: Sun, 22 Nov 2026 08:49:37 GMT\nContent-Length: 2\n\nhi",
    ["bare-lf HF-6", "bare-lf HF-6", "bare-lf HF-6", "bare-lf HF-6"],
    { content: "hi" },
  ),
  flawed("bare CR in a value", withLine("X: a\rY: b\r\n"), "bare-cr HF-6"),
  flawed("CR CR LF", withLine("X: a\r\r\n"), "bare-cr HF-6"),
  flawed("NUL in a value", withLine("X: a\0b\r\n"), "control-octet HF-3"),
  flawed("DEL in a value", withLine("X: a\x7fb\r\n"), "control-octet HF-4"),
  flawed("ESC in a value", withLine("X: \x1b[31mred\r\n"), "control-octet HF-4"),
  flawed("vertical tab in a value", withLine("X: a\vb\r\n"), "control-octet HF-4"),
  flawed(
    "response splitting",
    withLine("X: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n"),
    "surplus-octets MC-7",
    { nodeAccepts: true },
  ),
];

export const REQUIRED_FIELDS: readonly StreamCase[] = [
  flawed("no Date in 200", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "missing-date MD-1", { nodeAccepts: true }),
  flawed("no Date in 304", "HTTP/1.1 304 Not Modified\r\n\r\n", "missing-date MD-1", { nodeAccepts: true }),
  flawed("no Date in 400", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "missing-date MD-1", {
    nodeAccepts: true,
  }),
  good("no Date in 500", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),
  flawed("two Date", withLine(DATE), "repeated-field HF-10", { nodeAccepts: true }),
  flawed("two Content-Type", withLine("Content-Type: a/b\r\ncontent-type: a/c\r\n"), "repeated-field HF-10", {
    nodeAccepts: true,
  }),
  flawed("three Location", withLine("Location: /a\r\nLocation: /b\r\nLocation: /c\r\n"), "repeated-field HF-10", {
    nodeAccepts: true,
  }),
  flawed(
    "two ETag and two Retry-After",
    withLine('ETag: "a"\r\nETag: "b"\r\nRetry-After: 1\r\nRetry-After: 2\r\n'),
    ["repeated-field HF-10", "repeated-field HF-10"],
    { nodeAccepts: true },
  ),
  good("two Vary, a list", withLine("Vary: a\r\nVary: b\r\n")),
  good("keep-alive announced", withLine("Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n"), {
    expected: { closes: false },
  }),
  good("close announced in a list", withLine("Connection: x, Close\r\nX: a\r\n"), { expected: { closes: true } }),
  good("a valid response", HELLO, { expected: { framing: "length", closes: false }, content: "hello" }),
];
