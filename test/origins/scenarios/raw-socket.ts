import { cut, fault, faultOrCut, group, type Misused, mended, own, type Scenario, sleep } from "../scenario.js";

/** Octets written to the socket in place of a response, and nothing more. */
const HAND_MADE: Record<string, string> = {
  garbage: "garbage\r\n\r\n",
  "binary garbage": "\x00\x01\x02\x16\x03\x01\xff",
  "an empty line": "\r\n\r\n",
  "HTTP/0.9 content": "<html>hello</html>",
  "a status line and nothing": "HTTP/1.1 200 OK\r\n",
  "half a head": "HTTP/1.1 200 OK\r\nContent-Le",
  "a field without a colon": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nno colon here\r\n\r\nhi",
  "a field name with a space": "HTTP/1.1 200 OK\r\nbad name: 1\r\nContent-Length: 2\r\n\r\nhi",
  "a space before the colon": "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi",
  "an empty field name": "HTTP/1.1 200 OK\r\n: nothing\r\nContent-Length: 2\r\n\r\nhi",
  "a folded field": "HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\nContent-Length: 2\r\n\r\nhi",
  "a line that starts with a space": "HTTP/1.1 200 OK\r\n X-A: 1\r\nContent-Length: 2\r\n\r\nhi",
  "bare line feeds": "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
  "a bare carriage return": "HTTP/1.1 200 OK\r\nX-A: a\rb\r\nContent-Length: 2\r\n\r\nhi",
  "NUL in a value": "HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nhi",
  "a wrong protocol": "HTCPCP/1.0 418 teapot\r\nContent-Length: 2\r\n\r\nhi",
  "version 2.0": "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
  "a two-digit status": "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nhi",
  "status 999": "HTTP/1.1 999 what\r\nContent-Length: 2\r\n\r\nhi",
  "no status": "HTTP/1.1 OK\r\nContent-Length: 2\r\n\r\nhi",
  "too little content": "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhi",
  "a bad length": "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi",
  "a bad chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n0\r\n\r\n",
  "a message without its last chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
};

/** There is one way to read them. */
const READABLE = new Set(["a space before the colon", "a folded field", "bare line feeds"]);

const scenarios: Scenario[] = [];
for (const [what, octets] of Object.entries(HAND_MADE)) {
  const rules = ["HF-6", "HF-7", "MC-4"];
  const isReadable = READABLE.has(what);
  const shows = isReadable ? mended("hi") : /length|chunk|content$/.test(what) ? faultOrCut : fault;
  scenarios.push(
    {
      name: `writes ${what} to the socket and ends it`,
      rules,
      origin: (req) => void req.socket.end(octets, "latin1"),
      shows,
    },
    {
      name: `writes ${what} to the socket and goes quiet`,
      rules,
      origin: (req) => void req.socket.write(octets, "latin1"),
      shows: isReadable ? shows : [fault, cut, { kind: "replaced", statuses: [503], fields: {} }],
    },
  );
}

const HAND_MADE_RIGHT = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

scenarios.push(
  {
    name: "writes a complete response by hand",
    origin: (req) => void req.socket.write(HAND_MADE_RIGHT),
    shows: [...mended("hi"), { kind: "replaced", statuses: [503], fields: {} }],
    rules: ["MD-1"],
  },
  {
    name: "ends the socket with a complete response by hand",
    settleMs: 20,
    origin: (req) => void req.socket.end(HAND_MADE_RIGHT),
    shows: mended("hi"),
  },
  {
    name: "ends the socket with a hand-made 401",
    origin: (req) => void req.socket.end("HTTP/1.1 401 Unauthorized\r\n\r\n"),
    shows: [own("", { status: 401 }), fault],
  },
  {
    name: "writes a complete response by hand, then answers through res",
    origin: (req, res) => {
      req.socket.write(HAND_MADE_RIGHT);
      res.end("hello");
    },
    shows: [own("hi"), own("hello"), fault],
    rules: ["MC-7"],
  },
  {
    name: "writes garbage, then answers through res",
    origin: (req, res) => {
      req.socket.write("garbage");
      res.end("hello");
    },
    shows: mended("hello"),
    rules: ["MC-4"],
  },
  {
    name: "answers through res, then writes garbage to the socket",
    origin: (req, res) => {
      res.end("hello");
      req.socket.write("garbage");
    },
    shows: own("hello"),
    rules: ["MC-7"],
  },
  {
    name: "answers through res, then writes a second response by hand",
    origin: (req, res) => {
      res.end("hello");
      req.socket.write(HAND_MADE_RIGHT);
    },
    shows: own("hello"),
    rules: ["MC-7", "MC-1"],
  },
  {
    name: "writes garbage to the socket 10 ms after the answer",
    origin: (req, res) => {
      res.end("hello");
      setTimeout(() => req.socket.write("garbage"), 10);
    },
    settleMs: 30,
    shows: own("hello"),
    rules: ["MC-7"],
  },
  {
    name: "writes garbage between chunks",
    origin: async (req, res) => {
      res.write("x".repeat(100_000));
      await sleep(60);
      req.socket.write("garbage");
      res.end("end");
    },
    shows: [cut, own(/^x{100000}end$/)],
    rules: ["FR-18"],
  },
  {
    name: "ends the socket with garbage in mid-content",
    origin: async (req, res) => {
      res.write("x".repeat(100_000));
      await sleep(60);
      req.socket.end("garbage");
    },
    shows: cut,
    rules: ["MC-9"],
  },
  {
    name: "detaches the socket and goes quiet",
    origin: (req, res) => res.detachSocket(req.socket),
    shows: [fault, { kind: "replaced", statuses: [503], fields: {} }],
    rules: ["MC-1"],
  },
  {
    name: "detaches the socket and ends it",
    origin: (req, res) => {
      res.detachSocket(req.socket);
      req.socket.end();
    },
    shows: fault,
  },
  {
    name: "detaches the socket and writes garbage",
    origin: (req, res) => {
      res.detachSocket(req.socket);
      req.socket.end("garbage");
    },
    shows: fault,
  },
  {
    name: "detaches the socket after the head, then ends the response",
    origin: (req, res) => {
      res.writeHead(200);
      res.detachSocket(req.socket);
      res.end("hello");
    },
    shows: [fault, own("hello"), { kind: "replaced", statuses: [503], fields: {} }],
  },
  {
    name: "marks the response finished without sending anything",
    http2: {},
    origin: (_req, res) => {
      res.finished = true;
    },
    shows: [fault, { kind: "replaced", statuses: [503], fields: {} }],
  },
  {
    name: "emits close on the response and goes quiet",
    http2: {},
    origin: (_req, res) => void res.emit("close"),
    shows: [fault, { kind: "replaced", statuses: [503], fields: {} }],
  },
  {
    name: "emits finish on the response and goes quiet",
    http2: {},
    on: ["express5", "express4", "fastify"],
    origin: (_req, res) => void res.emit("prefinish"),
    shows: [fault, { kind: "replaced", statuses: [503], fields: {} }],
  },
  {
    name: "removes every listener of the response, then answers",
    control: true,
    origin: (_req, res) => {
      res.setHeader("connection", "close");
      res.removeAllListeners("error");
      res.end("hello");
    },
    shows: own("hello"),
  },
  {
    name: "pauses the socket for good",
    origin: (req: Misused, res) => {
      req.socket.pause();
      res.end("hello");
    },
    control: true,
    client: async (wire) => {
      wire.send("GET / HTTP/1.1\r\nHost: origin\r\nConnection: close\r\n\r\n");
      await wire.answers(1);
    },
    shows: own("hello"),
  },
);

export default group("raw socket", scenarios, "Node refuses to read, write, end or detach the socket of a session");
