// Started as a process of its own, so that it can be killed.
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

const RAW: Record<string, string> = {
  garbage: "\x16\x03\x01\x02 what is this\r\n\r\n",
  "bad-name": "HTTP/1.1 200 OK\r\nBad Name: 1\r\nContent-Length: 2\r\n\r\nok",
  "two-lengths": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
  "no-colon": "HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\nok",
  empty: "",
};

const server = createServer({ maxHeaderSize: 147_456, keepAliveTimeout: 905_000 }, (req, res) => {
  const [, kind = "", value = ""] = (req.url ?? "").split("?")[0]?.split("/") ?? [];
  process.send?.({ arrived: `${req.method} ${req.url}` });
  const route = ROUTES[kind];
  if (route === undefined) res.writeHead(404).end();
  else route(req, res, value);
});

const ROUTES: Record<string, (req: IncomingMessage, res: ServerResponse, value: string) => void> = {
  ok(req, res) {
    let octets = 0;
    req.on("data", (chunk) => {
      octets += chunk.length;
    });
    req.on("end", () => res.end(JSON.stringify({ method: req.method, url: req.url, octets, headers: req.headers })));
  },
  slow(_, res, value) {
    setTimeout(() => res.end("slow"), Number(value));
  },
  // Says when the first octets of the request's content are there, and never answers.
  hang(req) {
    req.once("data", () => process.send?.({ begun: true }));
  },
  length(_, res) {
    res.writeHead(200, { "Content-Length": 1000 });
    res.write("x".repeat(400));
  },
  chunked(_, res) {
    res.write("x".repeat(400));
  },
  raw(_, res, value) {
    res.socket?.end(RAW[value] ?? "", "latin1");
  },
  headers(_, res, value) {
    res.setHeader("X-Large", "h".repeat(Number(value)));
    res.end("large");
  },
  lines(_, res, value) {
    for (let line = 0; line < Number(value); line++) res.appendHeader("Set-Cookie", `c${line}=1`);
    res.end("many");
  },
  status(_, res, value) {
    res.writeHead(Number(value), { "Content-Type": "text/plain", ETag: '"lost"' }).end("by the app");
  },
  sse(_, res) {
    res.writeHead(200, { "Content-Type": "text/event-stream" });
    res.write("data: first\n\n");
    process.once("message", () => {
      res.write("data: second\n\n");
      process.once("message", () => res.end("data: last\n\n"));
    });
  },
};

server.on("upgrade", (req, socket, head) => {
  socket.on("error", () => {});
  if (req.url === "/refused")
    return void socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  // HAProxy looks whether it is right. RFC 6455, section 4.2.2.
  const key = `${req.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash("sha1").update(key).digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  socket.write(head);
  socket.pipe(socket);
});

server.listen(Number(process.argv[2]), "127.0.0.1", () => process.send?.({ listening: true }));
