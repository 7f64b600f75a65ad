import { Readable } from "node:stream";
import {
  type Aid,
  cut,
  fault,
  group,
  late,
  type Misused,
  own,
  replaced,
  type Scenario,
  type Shown,
  sleep,
} from "../scenario.js";

const scenarios: Scenario[] = [];
const add = (
  name: string,
  fastify: NonNullable<Scenario["fastify"]>,
  rest: Partial<Scenario> & Pick<Scenario, "shows">,
) => scenarios.push({ name: `fastify: ${name}`, on: ["fastify"], fastify, ...rest });
/** A route at "/" of the app. */
const route =
  (handle: (request: Misused, reply: Misused, aid: Aid) => unknown): NonNullable<Scenario["fastify"]> =>
  (app, aid) =>
    app.get("/", (request: Misused, reply: Misused) => handle(request, reply, aid));

/** Fields. */
const FIELDS: Record<string, (reply: Misused) => unknown> = {
  "a value with CR LF": (reply) => reply.header("x-y", "a\r\nb"),
  "a value outside Latin-1": (reply) => reply.header("x-y", "日本語"),
  "a bad name": (reply) => reply.header("bad name", "1"),
  "a symbol": (reply) => reply.header("x-y", Symbol("secret")),
  "an object that throws": (reply) =>
    reply.header("x-y", {
      toString() {
        throw new Error("secret cause");
      },
    }),
  "a value of 200 KB": (reply) => reply.header("x-large", "x".repeat(200_000)),
  "500 cookies": (reply) => {
    for (let i = 0; i < 500; i++) reply.header("set-cookie", `c${i}=1`);
  },
  "a Content-Length that is too small": (reply) => reply.header("content-length", 3),
  "a Content-Length that is too large": (reply) => reply.header("content-length", 30),
  "a Content-Length that is a word": (reply) => reply.header("content-length", "abc"),
  "Transfer-Encoding chunked": (reply) => reply.header("transfer-encoding", "chunked"),
  "Transfer-Encoding gzip": (reply) => reply.header("transfer-encoding", "gzip"),
  "Content-Type twice": (reply) => reply.header("content-type", ["text/plain", "text/html"]),
  "a bad Content-Type": (reply) => reply.type("\r\n"),
  "Connection: upgrade": (reply) => reply.header("connection", "upgrade"),
};
for (const [what, set] of Object.entries(FIELDS)) {
  const kinds: Record<string, (reply: Misused) => unknown> = {
    text: (reply) => reply.send("hello"),
    "a stream": (reply) => reply.send(Readable.from(["hel", "lo"])),
    "text, 5 ms later": (reply) => void setTimeout(() => reply.send("hello"), 5),
  };
  for (const [kind, send] of Object.entries(kinds)) {
    add(
      `${what} with ${kind}`,
      route((_request, reply) => {
        set(reply);
        send(reply);
        return reply;
      }),
      {
        shows: [fault, own("hello"), ...(kind === "a stream" ? [cut] : kind === "text" ? [] : [late])],
        provokes: "uncaughtException",
        rules: ["HF-3", "MC-5"],
      },
    );
  }
}

/** Two answers, by whatever way. */
const ANSWERS: Record<string, (reply: Misused) => unknown> = {
  "reply.send": (reply) => reply.send("hello"),
  "reply.raw.end": (reply) => reply.raw.end("hello"),
  "reply.redirect": (reply) => reply.redirect("/elsewhere"),
  "reply.raw.write": (reply) => reply.raw.write("hello"),
  "reply.raw.writeHead": (reply) => reply.raw.writeHead(200),
  "reply.callNotFound": (reply) => reply.callNotFound(),
};
for (const [first, one] of Object.entries(ANSWERS)) {
  for (const [second, two] of Object.entries(ANSWERS)) {
    const started = first === "reply.raw.write" || first === "reply.raw.writeHead";
    const unended = started && (second === "reply.raw.write" || second === "reply.raw.writeHead");
    const shows: readonly Shown[] = [
      own(undefined),
      own(undefined, { status: 302 }),
      replaced(404),
      fault,
      ...(started ? [cut] : []),
      ...(unended ? [late] : []),
    ];
    const mine: Record<string, Shown> = {
      "reply.send": own("hello"),
      "reply.raw.end": own("hello"),
      "reply.redirect": own(undefined, { status: 302 }),
      "reply.callNotFound": replaced(404),
    };
    add(
      `${second} after ${first}`,
      route((_request, reply) => {
        one(reply);
        two(reply);
      }),
      {
        shows: mine[first] ? [mine[first], ...(first === "reply.callNotFound" ? [own("hello"), fault] : [])] : shows,
        rules: ["MC-7"],
        secondTakesMs: 20,
      },
    );
  }
  add(
    `${first} after the deadline`,
    route(async (_request, reply) => {
      await sleep(450);
      one(reply);
      return reply;
    }),
    { shows: late, settleMs: 250 },
  );
}
add(
  "an answer by return and one by reply.send",
  route(async (_request, reply) => {
    reply.send("hello");
    return "again";
  }),
  { shows: own("hello"), rules: ["MC-7"] },
);
add(
  "reply.send again 15 ms later",
  route((_request, reply) => {
    reply.send("hello");
    setTimeout(() => reply.send("again"), 15);
  }),
  { shows: own("hello"), secondTakesMs: 30 },
);
add(
  "reply.header 15 ms after the answer",
  route((_request, reply) => {
    reply.send("hello");
    setTimeout(() => reply.header("x-y", "1"), 15);
  }),
  { shows: own("hello"), secondTakesMs: 30 },
);
add(
  "reply.removeHeader and reply.code after the answer",
  route((_request, reply) => {
    reply.send("hello");
    reply.removeHeader("x-y");
    reply.code(500);
  }),
  { shows: own("hello") },
);

export default group("fastify: fields and second answers", scenarios);
