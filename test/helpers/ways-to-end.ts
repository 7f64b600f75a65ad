import type { Socket } from "node:net";
import type { Way } from "./told.js";

const PART = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n${"x".repeat(20_000)}`;
const CHUNKED = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n";
const WHOLE = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd";
const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const GET10 = "GET / HTTP/1.0\r\nHost: a\r\n\r\n";

const GARBAGE = "GET / HTTP/9.9\r\nHost: a\r\n\r\n";
const NO_REQUEST = "\x01\x02garbage\r\n\r\n";

const answers400: Way["clientError"] = (_error, socket) => {
  if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
};
const destroys: Way["clientError"] = (_error, socket) => socket.destroy();
const destroysWith: Way["clientError"] = (error, socket) => socket.destroy(error);

const fin = (socket: Socket) => socket.end();
const nothing = () => {};
const reads: Way["app"] = (req) => req.resume();
const streams: Way["app"] = (req, res) => {
  req.resume();
  res.writeHead(200);
  res.write("part");
};

/** Leaves the first request on a connection without an answer. */
const endsLater: Way["app"] = (req, res) => {
  req.resume();
  if (req.url !== "/") res.end("later");
};

/** Says that no other response follows, and takes its time. */
const lastOnConnection: Way["app"] = (req, res) => {
  if (req.url !== "/") return void res.end("never sent");
  res.writeHead(200, { Connection: "close" }).write("x".repeat(100_000));
  setTimeout(() => res.end("last"), 250);
};

/** Answers what has been cut short, as the error handler of a framework does. */
const answersError =
  (write: boolean): Way["app"] =>
  (req, res) => {
    req.resume().on("error", () => {
      res.statusCode = 400;
      res.setHeader("X-Cut", "1");
      if (write) res.write("bad ");
      res.end(write ? "request" : undefined, () => {
        res.statusCode = 599; // so that it shows
      });
    });
  };

/** The same, from a callback that takes its time. */
const answersErrorLate: Way["app"] = (req, res) => {
  req.resume().on("error", () => setTimeout(() => res.writeHead(400, { "X-Cut": "1" }).end("bad request"), 60));
};

const answersTimeout: Way["app"] = (req, res) => {
  req.socket.setTimeout(50);
  req.socket.once("timeout", () => res.end("late"));
};

/** Goes on behind the end of its connection, until a client that is gone makes that fail. */
const answersOn: Way["app"] = (_req, res) => {
  let pieces = 0;
  const write = () => {
    res.write("x".repeat(10_000));
    if (++pieces < 30) setImmediate(write);
    else res.end();
  };
  res.once("close", () => setImmediate(write));
};

/** The app has ended its connection; the rest comes a moment later. */
const soon = (act: (socket: Socket) => unknown) => (socket: Socket) => void setTimeout(act, 25, socket);

/** Ways for an exchange to end without the whole answer of its app. */
export const WAYS: Readonly<Record<string, Way>> = {
  "cut upload, read": { sends: PART, app: reads, client: fin },
  "cut upload, not read": { sends: PART, app: nothing, client: fin },
  "cut upload, gone": { sends: PART, app: reads, client: (socket) => socket.destroy() },
  "cut upload, reset": { sends: PART, app: reads, client: (socket) => socket.resetAndDestroy() },
  "cut upload, response under way": { sends: PART, app: streams, client: fin },
  "cut upload, chunked": { sends: CHUNKED, app: reads, client: fin },
  "bad chunk": { sends: CHUNKED, app: reads, client: (socket) => socket.write("zz\r\n") },
  "request timeout": {
    sends: PART,
    app: reads,
    server: { requestTimeout: 100, headersTimeout: 100, connectionsCheckingInterval: 20 },
  },
  "res.destroy()": { sends: PART, app: reads, does: (_req, res) => res.destroy() },
  "res.destroy(error)": { sends: PART, app: reads, does: (_req, res) => res.destroy(new Error("mine")) },
  "req.destroy()": { sends: PART, app: reads, does: (req) => req.destroy() },
  "req.destroy(error)": { sends: PART, app: reads, does: (req) => req.destroy(new Error("mine")) },
  "socket.destroy()": { sends: PART, app: reads, does: (req) => req.socket.destroy() },
  "socket.destroy(error)": { sends: PART, app: reads, does: (req) => req.socket.destroy(new Error("mine")) },
  "res.destroy(), not read": { sends: PART, app: nothing, does: (_req, res) => res.destroy() },
  "res.destroy(), whole request not read": { sends: WHOLE, app: nothing, does: (_req, res) => res.destroy() },
  "res.destroy(), whole request read": { sends: WHOLE, app: reads, does: (_req, res) => res.destroy() },
  "req.destroy(), whole request not read": { sends: WHOLE, app: nothing, does: (req) => req.destroy() },
  "res.destroy(), GET": { sends: GET, app: nothing, does: (_req, res) => res.destroy() },
  "res.destroy(), response under way": { sends: PART, app: streams, does: (_req, res) => res.destroy() },
  "an error on the socket": { sends: GET, app: nothing, does: (req) => req.socket.emit("error", new Error("mine")) },
  "an error on the socket, response under way": {
    sends: GET,
    app: streams,
    does: (req) => req.socket.emit("error", new Error("mine")),
  },
  "GET, FIN": { sends: GET, app: nothing, client: fin },
  "GET read, FIN": { sends: GET, app: reads, client: fin },
  "GET 1.0, FIN": { sends: GET10, app: nothing, client: fin },
  "whole upload read, FIN": { sends: WHOLE, app: reads, client: fin },
  "whole upload not read, FIN": { sends: WHOLE, app: nothing, client: fin },
  "response under way, FIN": { sends: GET, app: streams, client: fin },
  "pipelined, FIN": { sends: GET + GET, app: nothing, client: fin, requests: 2 },
  "pipelined, second ended, FIN": {
    sends: GET + GET.replace("/", "/second"),
    app: endsLater,
    client: fin,
    requests: 2,
  },
  "pipelined, second ended, gone": {
    sends: GET + GET.replace("/", "/second"),
    app: endsLater,
    client: (socket) => socket.destroy(),
    requests: 2,
  },
  "pipelined, second and third ended, uploads, FIN": {
    sends: GET + WHOLE.replace("/", "/second") + WHOLE.replace("/", "/third"),
    app: endsLater,
    client: fin,
    requests: 3,
  },
  "pipelined, second ended, cut upload behind": {
    sends: GET + GET.replace("/", "/second") + PART.replace("/", "/third"),
    app: endsLater,
    client: fin,
    requests: 3,
  },
  "pipelined, second ended, first destroyed": {
    sends: GET + GET.replace("/", "/second"),
    app: endsLater,
    does: (_req, res) => res.destroy(),
    requests: 2,
  },
  "res.destroy(), answered late": {
    sends: PART,
    app: answersErrorLate,
    does: (_req, res) => res.destroy(),
    behind: 100,
  },
  "pipelined, first destroyed": { sends: GET + GET, app: nothing, requests: 2, does: (_req, res) => res.destroy() },
  "res.destroy(error), held back": {
    sends: GET,
    app: (_req, res) => res.write("part"),
    does: (_req, res) => res.destroy(new Error("mine")),
  },
  "res.destroy(error), response under way": {
    sends: GET,
    app: (_req, res) => res.write("x".repeat(200_000)),
    does: (_req, res) => res.destroy(new Error("mine")),
  },
  "req.destroy(error), response under way": {
    sends: PART,
    app: streams,
    does: (req) => req.destroy(new Error("mine")),
  },
  "socket.destroy(error), response under way": {
    sends: GET,
    app: (_req, res) => res.write("x".repeat(200_000)),
    does: (req) => req.socket.destroy(new Error("mine")),
  },
  "res.destroy(error), with a listener for clientError": {
    sends: GET,
    app: nothing,
    does: (_req, res) => res.destroy(new Error("mine")),
    clientError: answers400,
  },
  "req.destroy(error), with a listener for clientError": {
    sends: PART,
    app: nothing,
    does: (req) => req.destroy(new Error("mine")),
    clientError: destroys,
  },
  "socket.destroy(error), with a listener for clientError": {
    sends: GET,
    app: nothing,
    does: (req) => req.socket.destroy(new Error("mine")),
    clientError: destroysWith,
  },
  "socket.destroy(error), response under way, with a listener for clientError": {
    sends: GET,
    app: (_req, res) => res.write("x".repeat(200_000)),
    does: (req) => req.socket.destroy(new Error("mine")),
    clientError: answers400,
  },
  "socket.destroy(error) behind the end of the response": {
    sends: PART,
    app: (_req, res) => res.end("whole"),
    does: (req) => req.socket.destroy(new Error("mine")),
    clientError: answers400,
  },
  "behind a response that says close, in a later packet": {
    sends: GET,
    app: lastOnConnection,
    client: (socket) => setTimeout(() => socket.write(GET.replace("/", "/behind")), 50),
  },
  "behind a response that says close, upload in a later packet": {
    sends: GET,
    app: lastOnConnection,
    client: (socket) => setTimeout(() => socket.write(PART.replace("/", "/behind")), 50),
  },
  "malformed, no request": { sends: "", app: nothing, client: (socket) => socket.write(GARBAGE), requests: 0 },
  "no request at all": { sends: "", app: nothing, client: (socket) => socket.write(NO_REQUEST), requests: 0 },
  "malformed, destroyed by a listener": {
    sends: "",
    app: nothing,
    client: (socket) => socket.write(GARBAGE),
    requests: 0,
    clientError: destroysWith,
  },
  // From Node 24 on bare Node tells of no finish there.
  ...(Number.parseInt(process.versions.node, 10) < 24 && {
    "malformed behind an answered request, in one packet": {
      sends: GET + GARBAGE,
      app: (_req, res) => res.end("whole"),
    },
  }),
  "malformed behind an unanswered request": { sends: GET, app: nothing, client: (socket) => socket.write(GARBAGE) },
  "no request behind an unanswered request": { sends: GET, app: nothing, client: (socket) => socket.write(NO_REQUEST) },
  "malformed behind a response under way": { sends: GET, app: streams, client: (socket) => socket.write(GARBAGE) },
  "malformed behind two unanswered requests": {
    sends: GET + GET,
    app: nothing,
    client: (socket) => socket.write(GARBAGE),
    requests: 2,
  },
  "malformed behind an unanswered request, destroyed by a listener": {
    sends: GET,
    app: nothing,
    client: (socket) => socket.write(GARBAGE),
    clientError: destroysWith,
  },
  "bad chunk behind an unanswered request": {
    sends: GET + CHUNKED,
    app: reads,
    client: (socket) => socket.write("zz\r\n"),
    requests: 2,
  },
  "bad chunk, destroyed by a listener": {
    sends: CHUNKED,
    app: reads,
    client: (socket) => socket.write("zz\r\n"),
    clientError: destroysWith,
  },
  "bad chunk, response under way": { sends: CHUNKED, app: streams, client: (socket) => socket.write("zz\r\n") },
  "cut upload, with a listener for clientError": { sends: PART, app: reads, client: fin, clientError: destroys },
  "pipelined, pool client leaves": { sends: GET + GET + GET, app: nothing, client: fin, requests: 3 },
  "res.destroy(error) behind FIN": {
    sends: GET,
    app: (req, res) => req.once("close", () => res.destroy(new Error("mine"))),
    client: fin,
  },
  "socket.destroy() behind FIN": {
    sends: GET,
    app: (req, res) => {
      res.strictContentLength = true;
      req.once("close", () => req.socket.destroy());
    },
    client: fin,
  },
  "cut upload, answered": { sends: PART, app: answersError(true), client: fin },
  "cut upload, answered without content": { sends: PART, app: answersError(false), client: fin },
  "cut upload, answered, chunked": { sends: CHUNKED, app: answersError(true), client: fin },
  "cut upload, answered late": { sends: PART, app: answersErrorLate, client: fin, behind: 100 },
  "bad chunk, answered late": {
    sends: CHUNKED,
    app: answersErrorLate,
    client: (socket) => socket.write("zz\r\n"),
    behind: 100,
  },
  "bad chunk, answered": { sends: CHUNKED, app: answersError(true), client: (socket) => socket.write("zz\r\n") },
  "timeout of the socket, answered": { sends: GET, app: answersTimeout },
  "timeout of the socket, answered to an upload": { sends: PART, app: answersTimeout },
  "res.destroy(), answered": {
    sends: PART,
    app: answersError(true),
    does: (_req, res) => res.destroy(),
  },
  "socket.destroy(), ended": {
    sends: GET,
    app: (_req, res) => res.once("close", () => res.end()),
    does: (req) => req.socket.destroy(),
  },
  "answered behind FIN": {
    sends: GET,
    app: (req, res) => req.socket.once("end", () => res.end("late")),
    client: fin,
  },
  "upload answered behind FIN": {
    sends: WHOLE,
    app: (req, res) => req.resume().socket.once("end", () => res.end("late")),
    client: fin,
  },
  "answered, and socket.destroy()": {
    sends: WHOLE,
    app: reads,
    does: ({ socket }, res) => {
      res.end("whole");
      socket.destroy();
    },
  },
  "gone, answered on": {
    sends: GET,
    app: answersOn,
    answersOn: true,
    client: (socket) => socket.destroy(),
    clientError: destroys,
    behind: 250,
  },
  "gone, pipelined, answered on": {
    sends: GET + GET,
    app: answersOn,
    answersOn: true,
    client: (socket) => socket.destroy(),
    requests: 2,
    behind: 250,
  },
  "req.destroy(), then reset": {
    sends: PART,
    app: reads,
    does: (req) => req.destroy(),
    client: soon((socket) => socket.resetAndDestroy()),
    clientError: destroys,
    behind: 250,
  },
  "req.destroy(), then FIN": {
    sends: PART,
    app: reads,
    does: (req) => req.destroy(),
    client: soon(fin),
    clientError: destroys,
    behind: 250,
  },
  "req.destroy(error), then a bad chunk": {
    sends: CHUNKED,
    app: reads,
    does: (req) => req.destroy(new Error("mine")),
    client: soon((socket) => socket.write("zz\r\n")),
    clientError: destroysWith,
    behind: 250,
  },
};
