import { type Broken, page, quiet } from "./broken.js";
import { byHead, right, write } from "./by-head.js";

/** Broken in how it takes other requests than a plain GET. */
export const REQUESTS: readonly Broken[] = [
  {
    name: "sends content for HEAD",
    start: byHead((head, socket) => write(socket, right(head.replace(/^HEAD/, "GET")))),
    finds: ["head-content"],
    besides: ["unannounced-close", "pipelining-unanswered"],
  },
  {
    name: "answers 405 to HEAD",
    start: () =>
      quiet((request, response) =>
        request.method === "HEAD" ? response.writeHead(405).end() : page(request, response),
      ),
    finds: ["head-status"],
  },
  {
    name: "has another length for HEAD",
    start: () =>
      quiet((request, response) =>
        request.method === "HEAD" ? response.writeHead(200, { "Content-Length": 0 }).end() : page(request, response),
      ),
    finds: ["head-fields"],
  },
  {
    name: "hangs for HEAD",
    start: () => quiet((request, response) => (request.method === "HEAD" ? undefined : page(request, response))),
    finds: ["no-response"],
    besides: ["pipelining-unanswered", "reuse-unanswered"],
  },
  {
    name: "hangs for a path that is not there",
    start: () => quiet((request, response) => (request.url === "/" ? page(request, response) : undefined)),
    finds: ["no-response"],
    besides: ["pipelining-unanswered", "parallel-failures"],
  },
  {
    name: "destroys the socket of a malformed request",
    start: () => quiet(page).on("clientError", (_, socket) => socket.destroy()),
    finds: ["malformed-request-unanswered", "oversized-request-unanswered"],
  },
  {
    name: "keeps silent to a malformed request",
    start: () => quiet(page).on("clientError", () => {}),
    finds: ["malformed-request-unanswered", "oversized-request-unanswered"],
  },
  {
    name: "closes for a large request header section only",
    start: () =>
      quiet(page).on("clientError", (error: NodeJS.ErrnoException, socket) => {
        if (error.code === "HPE_HEADER_OVERFLOW") socket.destroy();
        else socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      }),
    finds: ["oversized-request-unanswered"],
  },
  {
    name: "dies of a malformed request",
    start: () => {
      const server = quiet(page);
      return server.on("clientError", (_, socket) => {
        socket.destroy();
        server.close();
      });
    },
    finds: ["malformed-request-unanswered", "gone"],
    besides: ["oversized-request-unanswered"],
  },
  {
    name: "leaves an upgrade unanswered",
    start: () => quiet(page).on("upgrade", () => {}),
    finds: ["upgrade-unanswered"],
  },
  {
    name: "closes an upgrade without a word",
    start: () => quiet(page).on("upgrade", (_, socket) => socket.destroy()),
    finds: ["upgrade-unanswered"],
  },
  {
    name: "leaves Expect: 100-continue unanswered",
    start: () => quiet(page).on("checkContinue", () => {}),
    finds: ["expect-unanswered"],
  },
  {
    name: "waits for the content instead of sending 100",
    start: () =>
      quiet(page).on("checkContinue", (request, response) => {
        request.on("data", () => {});
        request.on("end", () => response.end("hello"));
      }),
    finds: ["expect-ignored"],
  },
  {
    name: "sends chunks to HTTP/1.0",
    start: byHead((head, socket) => {
      const isOld = head.includes("HTTP/1.0\r\n");
      const text = isOld
        ? `HTTP/1.1 200 OK\r\nDate: ${new Date().toUTCString()}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`
        : right(head);
      write(socket, text);
    }),
    finds: ["transfer-encoding-to-1.0"],
  },
  {
    name: "leaves HTTP/1.0 unanswered",
    start: byHead((head, socket) => (head.includes("HTTP/1.0\r\n") ? socket.end() : write(socket, right(head)))),
    finds: ["http-1.0-unanswered"],
  },
  {
    name: "leaves the connection of HTTP/1.0 open",
    start: byHead((head, socket) => void socket.write(right(head))),
    finds: ["not-closed"],
    settings: { timeoutMs: 1_500, repeat: 1, idleMs: 0 },
  },
  {
    name: "announces a close and stays open",
    start: byHead(
      (head, socket) => void socket.write(right(head).replace(/\r\n(?!Connection)/, "\r\nConnection: close\r\n")),
    ),
    finds: ["not-closed", "keep-alive-off"],
    settings: { timeoutMs: 1_500, repeat: 1, idleMs: 0 },
  },
];
