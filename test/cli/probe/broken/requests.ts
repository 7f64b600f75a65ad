import { createServer as createTcpServer, type Socket } from "node:net";
import { type Broken, page, quiet } from "./broken.js";

const reply = (status: string, content: string, more = "") =>
  `HTTP/1.1 ${status}\r\nDate: ${new Date().toUTCString()}\r\n${more}Content-Length: ${content.length}\r\n\r\n${content}`;

/** A TCP server that gets each request line and whole head; for faults Node's own server does not have. */
function byHead(answer: (head: string, socket: Socket, count: number) => void) {
  return () =>
    createTcpServer((socket) => {
      socket.on("error", () => {});
      let text = "";
      let count = 0;
      socket.on("data", (octets) => {
        text += octets.toString("latin1");
        for (let end = text.indexOf("\r\n\r\n"); end !== -1; end = text.indexOf("\r\n\r\n")) {
          const head = text.slice(0, end + 4);
          text = text.slice(end + 4);
          answer(head, socket, count++);
        }
      });
    });
}

/** What a right server writes for a request. */
function right(head: string): string {
  const [, method, path = "", version] = /^(\S+) (\S+) HTTP\/(1\.\d)/.exec(head) ?? [];
  if (
    method === undefined ||
    /^(?:[^:\r\n]* [^:\r\n]*:|Content-Length: \d*[a-z])/m.test(head.slice(head.indexOf("\r\n") + 2))
  ) {
    return reply("400 Bad Request", "no", "Connection: close\r\n");
  }
  const close = version === "1.0" || /^connection: close/im.test(head) ? "Connection: close\r\n" : "";
  const isHere = /^\/(?:\?|$)/.test(path);
  const text = reply(isHere ? "200 OK" : "404 Not Found", isHere ? "hello" : `nothing at ${path}`, close);
  return method === "HEAD" ? text.slice(0, text.indexOf("\r\n\r\n") + 4) : text;
}

function write(socket: Socket, text: string): void {
  socket.write(text, "latin1");
  if (/^Connection: close/m.test(text)) socket.end();
}

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

/** Broken in how a connection goes on. */
export const CONNECTIONS: readonly Broken[] = [
  {
    name: "closes every connection behind its response",
    start: () => quiet((request, response) => void page(request, response.setHeader("Connection", "close"))),
    finds: ["keep-alive-off"],
  },
  {
    name: "closes connections without saying so",
    start: byHead((head, socket) => void socket.end(right(head))),
    finds: ["unannounced-close"],
    besides: ["pipelining-unanswered"],
  },
  {
    name: "answers the first request of a connection only",
    start: byHead((head, socket, count) => (count === 0 ? write(socket, right(head)) : undefined)),
    finds: ["reuse-unanswered"],
    besides: ["pipelining-unanswered"],
  },
  {
    name: "drops pipelined requests",
    start: () =>
      createTcpServer((socket) => {
        socket.on("error", () => {});
        socket.on("data", (octets) => write(socket, right(octets.toString("latin1"))));
      }),
    finds: ["pipelining-unanswered"],
    // What it takes for a request of its own: content.
    besides: ["surplus-octets"],
  },
  {
    name: "answers pipelined requests in another order",
    start: () =>
      createTcpServer((socket) => {
        socket.on("error", () => {});
        socket.on("data", (octets) => {
          const heads = octets.toString("latin1").match(/[\s\S]+?\r\n\r\n/g) ?? [];
          const [first = "", second, ...others] = heads;
          for (const head of second === undefined ? [first] : [second, first, ...others]) write(socket, right(head));
        });
      }),
    finds: ["cross-talk"],
    besides: ["surplus-octets"],
  },
  {
    name: "mixes up requests that come at once",
    start: () => {
      let last = "";
      return quiet((request, response) => {
        last = request.url ?? "";
        const isHere = last.startsWith("/?") || last === "/";
        setTimeout(() => response.writeHead(isHere ? 200 : 404).end(`you asked for ${last}`), 10);
      });
    },
    finds: ["cross-talk"],
  },
  {
    name: "announces five seconds of keep-alive",
    start: () => {
      const server = quiet(page);
      server.keepAliveTimeout = 5_000;
      return server;
    },
    finds: ["keep-alive-short"],
  },
  {
    name: "closes an idle connection",
    start: () =>
      byHead((head, socket) => {
        write(socket, right(head));
        socket.setTimeout(1_100, () => socket.end());
      })(),
    finds: ["idle-close"],
    settings: { idleMs: 1_500 },
  },
  {
    name: "fails when several requests come at once",
    start: () => {
      const busy = new Set<Socket>();
      return quiet((request, response) => {
        const { socket } = request;
        busy.add(socket);
        socket.once("close", () => busy.delete(socket));
        response.once("finish", () => busy.delete(socket));
        if (busy.size > 4) socket.destroy();
        else setTimeout(() => page(request, response), 30);
      });
    },
    finds: ["parallel-failures"],
  },
  {
    name: "redirects to itself",
    start: () => quiet((request, response) => response.writeHead(302, { Location: request.url }).end()),
    finds: ["redirect-loop"],
  },
  {
    name: "redirects in a circle",
    start: () =>
      quiet((request, response) => response.writeHead(302, { Location: request.url === "/a" ? "/b" : "/a" }).end()),
    finds: ["redirect-loop"],
  },
  {
    name: "redirects to https where there is none",
    start: () =>
      quiet((request, response) =>
        response.writeHead(301, { Location: `https://${request.headers.host}${request.url}` }).end(),
      ),
    finds: ["redirect-loop"],
  },
  {
    name: "redirects without Location",
    start: () => quiet((_, response) => response.writeHead(302).end()),
    finds: ["redirect-without-location"],
  },
  {
    name: "has a health endpoint that may be cached, and sets a cookie",
    start: () =>
      quiet((request, response) =>
        request.url === "/health" ? response.setHeader("Set-Cookie", "a=1").end("ok") : page(request, response),
      ),
    finds: ["health-cacheable", "health-cookie"],
  },
  {
    name: "has an unhealthy health endpoint",
    start: () =>
      quiet((request, response) =>
        request.url === "/health" ? response.writeHead(503).end("database down") : page(request, response),
      ),
    finds: ["health-unhealthy"],
  },
  {
    name: "redirects its health endpoint",
    start: () =>
      quiet((request, response) =>
        request.url === "/up" ? response.writeHead(302, { Location: "/login" }).end() : page(request, response),
      ),
    settings: { health: { path: "/up", given: true } },
    finds: ["health-failed"],
  },
  {
    name: "lacks the health endpoint that was named",
    start: () => quiet(page),
    settings: { health: { path: "/up", given: true } },
    finds: ["health-failed"],
  },
  {
    name: "does not know HEAD on its health endpoint",
    start: () =>
      quiet((request, response) => {
        if (request.url !== "/health") page(request, response);
        else if (request.method === "HEAD") response.writeHead(405).end();
        else response.setHeader("Cache-Control", "no-store").end("ok");
      }),
    finds: ["health-head"],
  },
  {
    name: "takes its time for health",
    start: () =>
      quiet((request, response) => {
        if (request.url !== "/health") page(request, response);
        else setTimeout(() => response.setHeader("Cache-Control", "no-store").end("ok"), 1_100);
      }),
    settings: { timeoutMs: 5_000 },
    finds: ["health-slow"],
  },
  {
    name: "is slow to start",
    start: () => quiet((request, response) => void setTimeout(() => page(request, response), 450)),
    finds: ["slow-response"],
  },
];
