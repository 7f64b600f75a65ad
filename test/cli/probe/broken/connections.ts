import { createServer as createTcpServer, type Socket } from "node:net";
import { type Broken, page, quiet } from "./broken.js";
import { byHead, right, write } from "./by-head.js";

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
