import { gzipSync } from "node:zlib";
import { type Broken, brokenPage, octets, withLines } from "./broken.js";

const OK = "HTTP/1.1 200 OK\r\nDate: DATE\r\n";
const closing = `${OK}Connection: close\r\n`;

/** Broken in what comes back for a GET. */
export const MESSAGES: readonly Broken[] = [
  {
    name: "closes without a response",
    start: () => brokenPage((request) => request.socket.end()),
    finds: ["empty-reply"],
  },
  {
    name: "resets without a response",
    start: () => brokenPage((request) => request.socket.resetAndDestroy()),
    finds: ["connection-reset"],
  },
  { name: "never answers", start: () => brokenPage(() => {}), finds: ["no-response"] },
  {
    name: "drips its header section",
    start: () =>
      brokenPage((request) => {
        const { socket } = request;
        let at = 0;
        const text = `${OK}X-Long: ${"x".repeat(10_000)}`;
        const timer = setInterval(() => socket.write(text[at++] ?? "x"), 20);
        socket.on("close", () => clearInterval(timer));
      }),
    finds: ["slow-header-section"],
  },
  {
    name: "sends header fields without end",
    start: () =>
      brokenPage((request) => {
        const { socket } = request;
        const more = () => {
          while (!socket.destroyed && socket.write(`X-More: ${"x".repeat(60_000)}\r\n`));
        };
        socket.on("drain", more);
        socket.write(OK);
        more();
      }),
    finds: ["header-section-too-large"],
    settings: { repeat: 1, timeoutMs: 10_000 },
  },
  { name: "speaks HTTP/0.9", start: octets("<html>hello</html>"), finds: ["not-http"] },
  { name: "speaks ICY", start: octets("ICY 200 OK\r\n\r\nhello"), finds: ["not-http"] },
  {
    name: "names HTTP/2.0",
    start: octets("HTTP/2.0 200 OK\r\nDate: DATE\r\n\r\nhello"),
    finds: ["unsupported-version"],
  },
  { name: "names no version", start: octets("HTTP/ 200 OK\r\n\r\nhello"), finds: ["bad-version"] },
  { name: "stops in the status line", start: octets("HTTP/1.1 20"), finds: ["incomplete-status-line"] },
  { name: "stops in the header section", start: octets(`${OK}X-A: 1\r\n`), finds: ["incomplete-header-section"] },
  { name: "has a status of two digits", start: octets("HTTP/1.1 20 OK\r\n\r\n"), finds: ["bad-status-code"] },
  {
    name: "has status 099",
    start: octets("HTTP/1.1 099 No\r\nDate: DATE\r\nContent-Length: 0\r\n\r\n"),
    finds: ["status-out-of-range"],
  },
  {
    name: "has status 777",
    start: octets("HTTP/1.1 777 No\r\nDate: DATE\r\nContent-Length: 0\r\n\r\n", false),
    finds: ["status-out-of-range"],
  },
  {
    name: "has a control octet in the reason",
    start: octets("HTTP/1.1 200 O\0K\r\nDate: DATE\r\nContent-Length: 0\r\n\r\n", false),
    finds: ["bad-reason"],
  },
  {
    name: "ends with 103",
    start: () => brokenPage((_, response) => response.writeHead(103).end()),
    finds: ["no-final-response"],
  },
  { name: "ends with 103 and closes", start: octets("HTTP/1.1 103 Early Hints\r\n\r\n"), finds: ["no-final-response"] },
  {
    name: "switches protocols unasked",
    start: octets("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", false),
    finds: ["unrequested-switch"],
  },
  {
    name: "writes an empty line first",
    start: octets(`\r\n${closing}Content-Length: 5\r\n\r\nhello`),
    finds: ["leading-empty-line"],
  },
  { name: "folds a value", start: withLines("X-A: 1\r\n  2\r\n"), finds: ["folded-line"] },
  { name: "leads with whitespace", start: withLines("  X-A: 1\r\n"), finds: ["leading-whitespace-line"] },
  { name: "leaves out a colon", start: withLines("X-A 1\r\n"), finds: ["missing-colon"] },
  { name: "has a space in a name", start: withLines("X A: 1\r\n"), finds: ["bad-field-name"] },
  { name: "has a space before a colon", start: withLines("X-A : 1\r\n"), finds: ["space-before-colon"] },
  { name: "has a bare CR in a value", start: withLines("X-A: 1\rX-B: 2\r\n"), finds: ["bare-cr"] },
  { name: "has NUL in a value", start: withLines("X-A: 1\0\r\n"), finds: ["control-octet"] },
  {
    name: "ends lines in LF",
    start: octets(`${OK.replaceAll("\r", "")}Content-Length: 5\n\nhello`, false),
    finds: ["bare-lf"],
  },
  { name: "repeats Content-Length", start: withLines("Content-Length: 5\r\n"), finds: ["repeated-content-length"] },
  {
    name: "contradicts its Content-Length",
    start: withLines("Content-Length: 6\r\n"),
    finds: ["bad-content-length"],
    besides: ["repeated-content-length"],
  },
  {
    name: "has a Content-Length of letters",
    start: octets(`${closing}Content-Length: five\r\n\r\nhello`),
    finds: ["bad-content-length"],
  },
  {
    name: "has a negative Content-Length",
    start: octets(`${closing}Content-Length: -1\r\n\r\nhello`),
    finds: ["bad-content-length"],
  },
  {
    name: "has both framing fields",
    start: octets(`${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`, false),
    finds: ["length-and-transfer-encoding"],
  },
  {
    name: "has too large a Content-Length and closes",
    start: octets(`${closing}Content-Length: 50\r\n\r\nhello`),
    finds: ["incomplete-content"],
  },
  {
    name: "has too large a Content-Length and waits",
    start: octets(`${OK}Content-Length: 50\r\n\r\nhello`, false),
    finds: ["incomplete-content"],
  },
  {
    name: "has too small a Content-Length",
    start: octets(`${OK}Content-Length: 2\r\n\r\nhello`, false),
    finds: ["surplus-octets"],
  },
  {
    name: "writes behind the end",
    start: () =>
      brokenPage((request, response) => {
        response.end("hello");
        setTimeout(() => request.socket.write("more"), 5);
      }),
    finds: ["surplus-octets"],
  },
  {
    name: "has a bad chunk size",
    start: octets(`${OK}Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n`),
    finds: ["bad-chunk-size"],
  },
  {
    name: "has a bad chunk extension",
    start: octets(`${OK}Transfer-Encoding: chunked\r\n\r\n5;=;\r\nhello\r\n0\r\n\r\n`, false),
    finds: ["bad-chunk-extension"],
  },
  {
    name: "has a chunk longer than its size",
    start: octets(`${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n`),
    finds: ["missing-chunk-end"],
  },
  {
    name: "leaves out the last chunk",
    start: octets(`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`),
    finds: ["incomplete-content"],
  },
  {
    name: "has gzip as Transfer-Encoding",
    start: octets(`${OK}Transfer-Encoding: gzip\r\n\r\nhello`),
    finds: ["bad-transfer-encoding"],
  },
  {
    name: "has content with 204",
    start: octets("HTTP/1.1 204 No Content\r\nDate: DATE\r\n\r\nhello", false),
    finds: ["bodiless-content"],
  },
  {
    name: "has content with 304",
    start: octets("HTTP/1.1 304 Not Modified\r\nDate: DATE\r\n\r\nhello", false),
    finds: ["bodiless-content", "unrequested-304"],
  },
  {
    name: "answers 304 to everybody",
    start: () => brokenPage((_, response) => response.writeHead(304).end()),
    finds: ["unrequested-304"],
  },
  {
    name: "answers 206 to everybody",
    start: () => brokenPage((_, response) => response.writeHead(206, { "Content-Range": "bytes 0-4/9" }).end("hello")),
    finds: ["unrequested-206"],
  },
  {
    name: "answers 502",
    start: () => brokenPage((_, response) => response.writeHead(502).end("bad gateway")),
    finds: ["gateway-status"],
  },
  {
    name: "answers 504",
    start: () => brokenPage((_, response) => response.writeHead(504).end("timeout")),
    finds: ["gateway-status"],
  },
  {
    name: "answers 520",
    start: () => brokenPage((_, response) => response.writeHead(520).end("unknown")),
    finds: ["edge-status"],
  },
  {
    name: "answers 500",
    start: () => brokenPage((_, response) => response.writeHead(500).end("oops")),
    finds: ["server-error"],
  },
  {
    name: "calls plain text gzip",
    start: () =>
      brokenPage((_, response) => response.writeHead(200, { "Content-Encoding": "gzip" }).end("hello, not gzip")),
    finds: ["bad-coding"],
  },
  {
    name: "cuts its gzip short",
    start: () =>
      brokenPage((_, response) =>
        response.writeHead(200, { "Content-Encoding": "gzip" }).end(gzipSync("hello".repeat(99)).subarray(0, 20)),
      ),
    finds: ["bad-coding"],
  },
  {
    name: "keeps the Content-Length of what it compresses",
    start: () =>
      brokenPage((_, response) =>
        response
          .writeHead(200, { "Content-Encoding": "gzip", "Content-Length": 495 })
          .end(gzipSync("hello".repeat(99))),
      ),
    finds: ["incomplete-content"],
  },
  {
    name: "has no Date",
    start: () =>
      brokenPage((_, response) => {
        response.sendDate = false;
        response.end("hello");
      }),
    finds: ["missing-date"],
  },
  {
    name: "has a Date of its own form",
    start: () => brokenPage((_, response) => response.writeHead(200, { Date: "2026-01-01T00:00:00Z" }).end("hello")),
    finds: ["bad-date"],
  },
  {
    name: "lives in another time",
    start: () =>
      brokenPage((_, response) => response.writeHead(200, { Date: "Sat, 01 Jan 2000 00:00:00 GMT" }).end("hello")),
    finds: ["clock-off"],
  },
  {
    name: "has 130 KB of header section",
    start: () => brokenPage((_, response) => response.writeHead(200, { "X-Large": "x".repeat(132_000) }).end("hello")),
    finds: ["header-section-too-large"],
  },
  {
    name: "has 40 KB of header section",
    start: () => brokenPage((_, response) => response.writeHead(200, { "X-Large": "x".repeat(40_000) }).end("hello")),
    finds: ["header-section-large"],
  },
  {
    name: "has 300 cookies",
    start: () =>
      brokenPage((_, response) =>
        response
          .writeHead(200, { "Set-Cookie": Array.from({ length: 300 }, (_one, index) => `c${index}=1`) })
          .end("hello"),
      ),
    finds: ["too-many-fields"],
  },
  {
    name: "has 100 cookies",
    start: () =>
      brokenPage((_, response) =>
        response
          .writeHead(200, { "Set-Cookie": Array.from({ length: 100 }, (_one, index) => `c${index}=1`) })
          .end("hello"),
      ),
    finds: ["many-fields"],
  },
  {
    name: "fails every third time",
    start: () =>
      brokenPage((request, response, count) => (count % 3 === 2 ? request.socket.end() : response.end("hello"))),
    finds: ["empty-reply"],
    besides: ["unannounced-close", "pipelining-unanswered", "no-final-response", "parallel-failures"],
  },
  {
    name: "has another status every other time",
    start: () => brokenPage((_, response, count) => response.writeHead(count % 2 === 0 ? 200 : 500).end("hello")),
    finds: ["flaky-status"],
    besides: ["parallel-failures"],
  },
];
