import { broken, DATE, flawed, good, HELLO, head, type StreamCase } from "./stream-case.js";

const REST = `\r\n${DATE}Content-Length: 0\r\n\r\n`;

export const STATUS_LINES: readonly StreamCase[] = [
  good("status line with reason", HELLO, { expected: { status: 200, reason: "OK", version: "1.1" } }),
  good("empty reason", `HTTP/1.1 200 ${REST}`, { expected: { status: 200, reason: "" } }),
  good("reason of several words", `HTTP/1.1 404 Not\tFound, sorry${REST}`),
  good("reason with obs-text", `HTTP/1.1 200 d\xe9j\xe0${REST}`, { expected: { reason: "d\xe9j\xe0" } }),
  good("unregistered status in range", `HTTP/1.1 599 Odd${REST}`, { expected: { status: 599 } }),
  flawed("no space behind the status code", `HTTP/1.1 200${REST}`, "missing-reason-space SL-5", { nodeAccepts: true }),
  flawed("reason with NUL", `HTTP/1.1 200 O\0K${REST}`, "bad-reason SL-4", { nodeAccepts: true }),
  flawed("reason with DEL", `HTTP/1.1 200 O\x7fK${REST}`, "bad-reason SL-4", { nodeAccepts: true }),
  flawed("reason with bare CR", `HTTP/1.1 200 O\rK${REST}`, "bad-reason SL-4"),
  flawed("status line ends in LF", `HTTP/1.1 200 OK\n${DATE}Content-Length: 0\r\n\r\n`, "bare-lf HF-6"),
  broken("two digits", `HTTP/1.1 20 OK${REST}`, "bad-status-code SL-2"),
  broken("four digits", `HTTP/1.1 2000 OK${REST}`, "bad-status-code SL-2"),
  broken("letters for a status code", `HTTP/1.1 OK 200${REST}`, "bad-status-code SL-2"),
  broken("two spaces before the status code", `HTTP/1.1  200 OK${REST}`, "bad-status-code SL-2"),
  broken("tab behind the status code", `HTTP/1.1 200\tOK${REST}`, "bad-status-code SL-2"),
  broken("tab behind the version", `HTTP/1.1\t200 OK${REST}`, "bad-version SL-6"),
  flawed("status 099", `HTTP/1.1 099 Low${REST}`, "status-out-of-range SL-1", { nodeAccepts: true }),
  flawed("status 000", `HTTP/1.1 000 None${REST}`, "status-out-of-range SL-1", { nodeAccepts: true }),
  flawed("status 600", `HTTP/1.1 600 High${REST}`, "status-out-of-range SL-1", { nodeAccepts: true }),
  flawed("status 999", `HTTP/1.1 999 High${REST}`, "status-out-of-range SL-1", { nodeAccepts: true }),
  broken("lower-case http", `http/1.1 200 OK${REST}`, "not-http MC-1", { expected: { status: 0, end: 0 } }),
  broken("another protocol", "SSH-2.0-OpenSSH_9.6\r\n", "not-http MC-1", { expected: { status: 0 } }),
  broken("content without a header section", "<html>error</html>", "not-http MC-1"),
  broken("no version", `HTTP 200 OK${REST}`, "not-http MC-1"),
  broken("version of two digits", `HTTP/1.10 200 OK${REST}`, "bad-version SL-6"),
  broken("version without minor", `HTTP/2 200 OK${REST}`, "bad-version SL-6"),
  flawed("HTTP/2.0", `HTTP/2.0 200 OK${REST}`, "unsupported-version SL-6", { nodeAccepts: true }),
  flawed("HTTP/1.2", `HTTP/1.2 200 OK${REST}`, "unsupported-version SL-6"),
  broken("whitespace before the status line", ` ${HELLO}`, "not-http MC-1"),
  flawed("empty line before the status line", `\r\n${HELLO}`, "leading-empty-line MC-7", { nodeAccepts: true }),
  flawed(
    "two empty lines before the status line",
    `\r\n\r\n${HELLO}`,
    ["leading-empty-line MC-7", "leading-empty-line MC-7"],
    { nodeAccepts: true },
  ),
  good("HTTP/1.0 with a length", head("Content-Length: 0\r\n", "HTTP/1.0 200 OK"), {
    expected: { version: "1.0", closes: true },
  }),
  good("HTTP/1.0 with keep-alive", head("Connection: keep-alive\r\nContent-Length: 0\r\n", "HTTP/1.0 200 OK"), {
    expected: { closes: false },
  }),
];

export const INTERIM: readonly StreamCase[] = [
  good("100 before 200", `HTTP/1.1 100 Continue\r\n\r\n${HELLO}`, {
    interim: [100],
    expected: { status: 200 },
    content: "hello",
  }),
  good("103 with fields", `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${HELLO}`, {
    interim: [103],
    content: "hello",
  }),
  good(
    "three interim responses",
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n${HELLO}`,
    { interim: [100, 102, 103] },
  ),
  good("interim status nobody knows", `HTTP/1.1 150 Odd\r\n\r\n${HELLO}`, { interim: [150] }),
  broken("100 and no more", "HTTP/1.1 100 Continue\r\n\r\n", "no-final-response MC-3", {
    interim: [100],
    expected: { status: 0 },
  }),
  broken("103 and no more", "HTTP/1.1 103 Early Hints\r\n\r\n", "no-final-response SL-3", { interim: [103] }),
  broken("199 as final status, connection open", "HTTP/1.1 199 Final\r\n\r\n", "no-final-response SL-3", {
    end: "open",
    interim: [199],
  }),
  flawed(
    "interim with Content-Length",
    `HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\n\r\n${HELLO}`,
    "framing-field-not-allowed IR-1",
    { nodeAccepts: true },
  ),
  flawed(
    "interim with Transfer-Encoding",
    `HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n${HELLO}`,
    "framing-field-not-allowed IR-1",
    { nodeAccepts: true },
  ),
  broken("interim with content", `HTTP/1.1 103 Early Hints\r\n\r\nhints${HELLO}`, "not-http IR-2", { interim: [103] }),
  flawed("interim with a bad field", `HTTP/1.1 103 Early Hints\r\nLi nk: </a>\r\n\r\n${HELLO}`, "bad-field-name IR-4"),
  flawed("interim from HTTP/1.0", `HTTP/1.0 103 Early Hints\r\n\r\n${HELLO}`, "interim-in-1.0 SL-7"),
  flawed("interim to HTTP/1.0", `HTTP/1.1 100 Continue\r\n\r\n${HELLO}`, "interim-in-1.0 SL-7", {
    requestVersion: "1.0",
    nodeAccepts: true,
  }),
  broken(
    "interim inside chunked content",
    `${head("Transfer-Encoding: chunked\r\n")}5\r\nhello\r\nHTTP/1.1 103 Early Hints\r\n\r\n0\r\n\r\n`,
    "bad-chunk-size FR-18",
    { content: "hello" },
  ),
  good("101 with upgrade", head("Connection: Upgrade\r\nUpgrade: websocket\r\n", "HTTP/1.1 101 Switching Protocols"), {
    expected: { status: 101, closes: true, framing: "none" },
  }),
  good(
    "101 and octets of the new protocol",
    `${head("Connection: upgrade\r\nUpgrade: websocket\r\n", "HTTP/1.1 101 Switching Protocols")}\x81\x05hello`,
    { expected: { status: 101 } },
  ),
  flawed(
    "101 without Upgrade",
    head("Connection: upgrade\r\n", "HTTP/1.1 101 Switching Protocols"),
    "switch-without-upgrade SL-9",
    { nodeAccepts: true },
  ),
  flawed(
    "101 without Connection",
    head("Upgrade: websocket\r\n", "HTTP/1.1 101 Switching Protocols"),
    "switch-without-upgrade SL-9",
    { nodeAccepts: true },
  ),
];
