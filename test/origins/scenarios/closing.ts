import {
  cut,
  fault,
  faultOrCut,
  group,
  late,
  type Misused,
  type Over,
  own,
  type Scenario,
  type Shown,
  sleep,
} from "../scenario.js";

/** Ways to close the connection under a response. */
const WAYS: Record<string, (req: Misused, res: Misused) => void> = {
  "res.destroy()": (_req, res) => res.destroy(),
  "res.destroy(error)": (_req, res) => res.destroy(new Error("secret cause")),
  "req.destroy()": (req) => req.destroy(),
  "req.destroy(error)": (req) => {
    req.on("error", () => {});
    req.destroy(new Error("secret cause"));
  },
  "req.socket.destroy()": (req) => req.socket.destroy(),
  "res.socket.destroy(error)": (_req, res) => {
    res.socket.on("error", () => {});
    res.socket.destroy(new Error("secret cause"));
  },
  "res.socket.end()": (_req, res) => res.socket.end(),
  "socket.destroySoon()": (req) => req.socket.destroySoon(),
  "socket.resetAndDestroy()": (req) => req.socket.resetAndDestroy(),
  "res.connection.destroy()": (_req, res) => res.connection.destroy(),
};

const LARGE = Buffer.alloc(8 * 1024 * 1024, "x");
const whole = own((content) => content.equals(LARGE));

type Moment = {
  when: string;
  prepare: (res: Misused) => unknown;
  shows: Shown | readonly Shown[];
  rules: string[];
  on?: Scenario["on"];
};

/** How far the response has come; `shows` is what is still possible then. */
const MOMENTS: Moment[] = [
  { when: "before the head", prepare: () => {}, shows: fault, rules: ["MC-1", "MC-2"] },
  { when: "5 ms after the request", prepare: () => sleep(5), shows: fault, rules: ["MC-2"] },
  { when: "after fields were set", prepare: (res) => res.setHeader("etag", '"1"'), shows: fault, rules: ["MC-2"] },
  {
    when: "after writeHead",
    prepare: (res) => res.writeHead(200, { "content-type": "text/plain", etag: '"1"', "content-length": 5 }),
    shows: fault,
    rules: ["MC-2"],
  },
  { when: "after flushHeaders", prepare: (res) => res.flushHeaders(), shows: faultOrCut, rules: ["MC-6", "MC-9"] },
  { when: "after a first write in the same tick", prepare: (res) => res.write("hello"), shows: fault, rules: ["MC-6"] },
  {
    when: "5 ms after a first write",
    prepare: async (res) => {
      res.write("hello");
      await sleep(5);
    },
    shows: faultOrCut,
    rules: ["MC-6", "MC-9"],
  },
  {
    when: "in mid-content with chunks",
    prepare: async (res) => {
      res.write("x".repeat(100_000));
      await sleep(60);
    },
    shows: cut,
    rules: ["MC-6", "MC-9"],
  },
  {
    when: "in mid-content with Content-Length",
    prepare: async (res) => {
      res.writeHead(200, { "content-length": 200_000 });
      res.write("x".repeat(100_000));
      await sleep(60);
    },
    shows: cut,
    rules: ["MC-5"],
  },
  { when: "right after end() of 8 MB", prepare: (res) => res.end(LARGE), shows: whole, rules: ["MC-5"] },
  {
    when: "right after end() of 8 MB in chunks",
    prepare: (res) => {
      res.write(LARGE.subarray(0, 4 * 1024 * 1024));
      res.end(LARGE.subarray(4 * 1024 * 1024));
    },
    shows: whole,
    rules: ["MC-6"],
  },
];

/**
 * What the ways do that end no stream over HTTP/2: a request is read from, and nothing else, and the socket that an app
 * is shown is the stream in disguise.
 */
function overHttp2(way: string, { when, shows }: Moment): Over | undefined {
  const isOut = /writeHead|flush|write|mid-content/.test(when);
  if (/^req\.destroy/.test(way) && shows !== whole) return { shows: isOut ? [late, cut] : late };
  // They end the connection, some time after the stream.
  if (/destroySoon|resetAndDestroy/.test(way)) return { second: "elsewhere" };
  if (way !== "res.socket.end()" || shows === whole || /Length|writeHead/.test(when)) return undefined;
  return { shows: isOut ? own() : late };
}

const scenarios: Scenario[] = [];
for (const [way, close] of Object.entries(WAYS)) {
  for (const moment of MOMENTS) {
    const { when, prepare, shows, rules } = moment;
    const http2 = overHttp2(way, moment);
    scenarios.push({
      name: `${way} ${when}`,
      rules,
      origin: (req, res) => {
        const ready = prepare(res);
        if (ready instanceof Promise) return ready.then(() => close(req, res));
        close(req, res);
      },
      shows,
      // Closed without an announcement, whenever the last octets have left: a client cannot tell how long it may be reused.
      ...(when.startsWith("right after end()") ? { second: "elsewhere" as const } : {}),
      ...(http2 === undefined ? {} : { http2 }),
    });
  }
}

scenarios.push(
  {
    name: "the socket is destroyed in setImmediate",
    origin: (req) => void setImmediate(() => req.socket.destroy()),
    shows: fault,
  },
  {
    name: "the socket is destroyed in nextTick and a microtask",
    origin: (req) => {
      process.nextTick(() => req.socket.destroy());
      queueMicrotask(() => req.socket.destroy());
    },
    shows: fault,
  },
  {
    name: "the response is destroyed, then answered",
    origin: (_req, res) => {
      res.destroy();
      res.end("hello");
    },
    shows: [fault, own("hello")],
  },
  {
    name: "the response is destroyed, then answered 20 ms later",
    origin: async (_req, res) => {
      res.destroy();
      await sleep(20);
      res.setHeader("x-late", "1");
      res.end("hello");
    },
    shows: fault,
    settleMs: 40,
  },
  {
    name: "all connections of the server are closed before the head",
    origin: (req) => req.socket.server.closeAllConnections(),
    shows: fault,
  },
  {
    name: "server.setTimeout destroys a slow response",
    server: (server) => server.setTimeout(60),
    origin: async (_req, res) => {
      await sleep(150);
      res.end("slow");
    },
    on: ["node", "express5", "express4"],
    shows: [fault, { kind: "replaced", statuses: [503], fields: {} }, own("slow")],
    onlyHttp1: "a timeout of the server is one of its sessions, and ends them with whatever they carry",
    rules: ["MC-10"],
  },
  {
    name: "req.setTimeout destroys the request",
    origin: (req) => req.setTimeout(40, () => req.destroy()),
    shows: fault,
    http2: { shows: late },
  },
  {
    name: "res.setTimeout destroys the socket",
    origin: (_req, res) => res.setTimeout(40, (socket: Misused) => socket.destroy()),
    shows: fault,
    onlyHttp1: "the compatibility API gives the callback no socket",
  },
  {
    name: "res.setTimeout without a callback expires",
    origin: (_req, res) => res.setTimeout(40),
    shows: [fault, { kind: "replaced", statuses: [503], fields: {} }],
  },
  {
    name: "the socket is paused and destroyed by its timeout event",
    origin: (req) => {
      req.socket.setTimeout(40);
      req.socket.on("timeout", () => req.socket.destroy());
    },
    shows: fault,
    // It is the session that the timeout is set on, and the stream that is listened to.
    http2: { shows: late },
  },
  {
    name: "destroyed while a cork holds the content",
    origin: (_req, res) => {
      res.cork();
      res.write("hello");
      res.destroy();
    },
    shows: fault,
  },
  {
    name: "the socket is destroyed after end() of a small answer",
    control: true,
    settleMs: 20,
    origin: (req, res) => {
      res.end("hello");
      req.socket.destroySoon();
    },
    shows: own("hello"),
    http2: { control: false },
  },
  {
    name: "the socket is destroyed from the finish event",
    control: true,
    settleMs: 20,
    origin: (req, res) => {
      res.on("finish", () => req.socket.destroySoon());
      res.end("hello");
    },
    shows: own("hello"),
    onlyHttp1: "the stream has left its session by then, and the app is shown no socket of it",
  },
  {
    name: "the socket is destroyed 100 ms after the answer, while the next request is served",
    origin: (req, res) => {
      res.end("hello");
      setTimeout(() => req.socket.destroy(), 100);
    },
    secondTakesMs: 250,
    // The socket does not say on whose behalf it is destroyed.
    second: "complete",
    shows: own("hello"),
    rules: ["MC-2"],
  },
  {
    name: "req.destroy() 20 ms after the answer, while the next request is served",
    origin: (req, res) => {
      res.end("hello");
      setTimeout(() => req.destroy(), 20);
    },
    secondTakesMs: 60,
    shows: own("hello"),
    rules: ["MC-2"],
  },
);

export default group("closing", scenarios);
