import { get } from "node:http";
import type { Socket } from "node:net";
import { pipeline, Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import {
  type Aid,
  cut,
  fault,
  faultOrCut,
  group,
  late,
  type Misused,
  mended,
  own,
  replaced,
  type Scenario,
  type Shown,
  sleep,
} from "../scenario.js";

/** Upstreams an origin server passes on. */
const UPSTREAMS: Record<string, { serve: (socket: Socket) => void; shows: readonly Shown[]; rules: string[] }> = {
  "resets at once": {
    serve: (socket) => socket.resetAndDestroy(),
    shows: [fault, replaced(503), late],
    rules: ["MC-2"],
  },
  "closes at once": { serve: (socket) => socket.end(), shows: [fault, replaced(503), late], rules: ["MC-2"] },
  "answers garbage": {
    serve: (socket) => socket.end("garbage\r\n\r\n"),
    shows: [fault, replaced(503), late],
    rules: ["MC-2"],
  },
  "never answers": { serve: () => {}, shows: [late], rules: ["MC-10"] },
  "stops in its head": {
    serve: (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-"),
    shows: [fault, replaced(503), late],
    rules: ["MC-2"],
  },
  "dies within a small length": {
    serve: (socket) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhello");
      setTimeout(() => socket.destroy(), 10);
    },
    shows: [...faultOrCut, late],
    rules: ["MC-5"],
  },
  "dies in mid-content under a length": {
    serve: (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n${"x".repeat(100_000)}`);
      setTimeout(() => socket.destroy(), 80);
    },
    shows: [cut],
    rules: ["MC-5"],
  },
  "dies in mid-content between chunks": {
    serve: (socket) => {
      socket.write(
        `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${(100_000).toString(16)}\r\n${"x".repeat(100_000)}\r\n`,
      );
      setTimeout(() => socket.destroy(), 80);
    },
    shows: [cut],
    rules: ["MC-6", "MC-9"],
  },
  "resets in mid-content": {
    serve: (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n${"x".repeat(100_000)}`);
      setTimeout(() => socket.resetAndDestroy(), 80);
    },
    shows: [cut],
    rules: ["MC-5"],
  },
  "stalls in mid-content": {
    serve: (socket) => void socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n${"x".repeat(100_000)}`),
    shows: [cut],
    rules: ["MC-10"],
  },
  "sends a bad chunk": {
    serve: (socket) => {
      socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
      setTimeout(() => socket.end("zz\r\n"), 10);
    },
    shows: [...faultOrCut, late],
    rules: ["MC-6"],
  },
  "answers 101 to nobody": {
    serve: (socket) => socket.end("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    shows: [fault, late],
    rules: ["SL-8"],
  },
  "answers status 999": {
    serve: (socket) => socket.end("HTTP/1.1 999 what\r\nContent-Length: 5\r\n\r\nhello"),
    shows: [fault],
    rules: ["SL-1"],
  },
  "answers 502": {
    serve: (socket) => socket.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\nhello"),
    shows: [fault],
    rules: [],
  },
  "sends both length and chunks": {
    serve: (socket) =>
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    shows: [fault, own("hello"), replaced(503), late],
    rules: ["FR-1"],
  },
  "answers a large head": {
    serve: (socket) =>
      socket.end(`HTTP/1.1 200 OK\r\nX-Large: ${"x".repeat(60_000)}\r\nContent-Length: 5\r\n\r\nhello`),
    shows: [fault, late],
    rules: ["HF-18"],
  },
};

/** Ways a handler passes its upstream on. */
const PASSING: Record<string, (port: number, res: Misused) => unknown> = {
  "http.get and pipe": (port, res) =>
    get({ port, agent: false }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    }).on("error", () => {}),
  "http.get and pipeline": (port, res) =>
    get({ port, agent: false }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      pipeline(answer, res, () => {});
    }).on("error", () => res.destroy()),
  "a promised fetch": async (port, res) => {
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    res.writeHead(answer.status, Object.fromEntries(answer.headers));
    await new Promise((resolve, reject) =>
      pipeline(Readable.fromWeb(answer.body as Misused), res, (error: unknown) =>
        error ? reject(error) : resolve(null),
      ),
    );
  },
};

const scenarios: Scenario[] = [];
for (const [how, pass] of Object.entries(PASSING)) {
  for (const [what, { serve, shows, rules }] of Object.entries(UPSTREAMS)) {
    // A 101 leaves http.get without an answer and no error; fetch rejects.
    scenarios.push({
      name: `an upstream that ${what}, by ${how}`,
      rules,
      origin: async (_req: Misused, res: Misused, aid: Aid) => pass(await aid.upstream(serve), res),
      shows,
      // Node throws for what belongs to a connection of HTTP/1.1, and for the status, to whoever passes it on.
      http2: { provokes: "uncaughtException", shows: /chunk|999/.test(what) ? [fault, late] : shows },
    });
  }
}

scenarios.push(
  {
    name: "fetch() fields of a gzip answer around its decoded content",
    rules: ["MC-5", "MC-7", "MD-9"],
    origin: async (_req, res, aid) => {
      const body = gzipSync("hello ".repeat(1000));
      const port = await aid.upstream((socket) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`);
        socket.write(body);
      });
      const answer = await fetch(`http://127.0.0.1:${port}/`);
      res.writeHead(200, Object.fromEntries(answer.headers));
      res.end(await answer.text());
    },
    shows: [fault, own("hello ".repeat(1000), { fields: { "content-encoding": null } })],
    // The header section leaves with writeHead() there, unless the content comes soon.
    http2: { shows: [fault, cut, own("hello ".repeat(1000), { fields: { "content-encoding": null } })] },
  },
  {
    name: "fetch() fields with Transfer-Encoding and a known length",
    rules: ["FR-1"],
    origin: async (_req, res, aid) => {
      const port = await aid.upstream(
        (socket) =>
          void socket.write(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
          ),
      );
      const answer = await fetch(`http://127.0.0.1:${port}/`);
      const text = await answer.text();
      res.writeHead(200, {
        ...Object.fromEntries(answer.headers),
        "transfer-encoding": "chunked",
        "content-length": text.length,
      });
      res.end(text);
    },
    shows: mended("hello"),
    http2: { shows: [fault, late] },
  },
  {
    name: "an upstream passed on whole, octet for octet, on the socket",
    onlyHttp1: "the socket that an app is shown takes no octets",
    settleMs: 20,
    origin: async (req, _res, aid) => {
      const { connect } = await import("node:net");
      const port = await aid.upstream((socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
      connect({ port, host: "127.0.0.1" }).pipe(req.socket);
    },
    shows: mended("hello"),
  },
  {
    name: "an upstream answer passed on with http.get",
    control: true,
    origin: async (_req, res, aid) => {
      const port = await aid.upstream((socket) =>
        socket.end("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Up: 1\r\n\r\nhello"),
      );
      get({ port, agent: false }, (answer) => {
        res.writeHead(answer.statusCode, { "x-up": answer.headers["x-up"] });
        answer.pipe(res);
      });
    },
    shows: own("hello"),
  },
  {
    name: "an error page of the app for an upstream that closes",
    control: true,
    origin: async (_req, res, aid) => {
      const port = await aid.upstream((socket) => socket.end());
      get({ port, agent: false }).on("error", () => {
        res.statusCode = 503;
        res.end("try later");
      });
    },
    shows: own("try later", { status: 503 }),
  },
  {
    name: "a slow upstream that answers in time",
    control: true,
    origin: async (_req, res, aid) => {
      const port = await aid.upstream(async (socket) => {
        await sleep(120);
        socket.end("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
      });
      get({ port, agent: false }, (answer) => answer.pipe(res));
    },
    shows: own("hello"),
  },
);

export default group("proxying", scenarios);
