import type { Cause } from "./cause.js";

const HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n";

/** Octets arrive, but they are no response, or none that an intermediary can read. */
export const messageCauses: readonly Cause[] = [
  {
    name: "malformed",
    title: "malformed response: no status line",
    handler: (request) => request.socket.end("pool exhausted: no upstream available\r\n"),
  },
  {
    name: "other-protocol",
    title: "protocol mismatch: HTTP/2 frames",
    // An empty SETTINGS frame, as an HTTP/2 server starts (RFC 9113, section 3.4).
    handler: (request) => request.socket.end(Buffer.from("000000040000000000", "hex")),
  },
  {
    name: "missing-colon",
    title: "malformed header: missing colon",
    handler: (request) => request.socket.end(`${HEAD}X-Request-Id 42\r\n\r\nok`),
  },
  {
    name: "bad-name",
    title: "malformed header: space in the name",
    handler: (request) => request.socket.end(`${HEAD}X Request Id: 42\r\n\r\nok`),
  },
  {
    name: "bad-value",
    title: "malformed header: CR in the value",
    handler(_request, response) {
      // Node checks the value in setHeader() and sends what the array holds later.
      const trace = ["one"];
      response.setHeader("X-Trace", trace);
      trace[0] = "one\rtwo";
      response.end("ok");
    },
  },
  {
    name: "header-limit",
    title: "response headers over the limit of 128 KB",
    handler(_request, response) {
      response.setHeader("Set-Cookie", `session=${"x".repeat(150_000)}`);
      response.end("ok");
    },
  },
  {
    name: "interim",
    title: "103 Early Hints as the final response",
    waits: true,
    handler: (_request, response) => response.writeHead(103).end(),
  },
];

/** Lengths that lie about the content. */
export const framingCauses: readonly Cause[] = [
  {
    name: "length-too-large",
    title: "Content-Length larger than the content",
    waits: true,
    handler(_request, response) {
      response.setHeader("Content-Length", 1_000);
      response.end("a short text");
    },
  },
  {
    name: "length-too-small",
    title: "Content-Length smaller than the content",
    handler(_request, response) {
      response.setHeader("Content-Length", 4);
      response.end("more than four octets");
    },
  },
  {
    name: "length-twice",
    title: "Content-Length twice",
    handler(_request, response) {
      response.setHeader("Content-Length", ["2", "2"]);
      response.end("ok");
    },
  },
];
