import { fault, group, late, type Misused, own, type Scenario } from "../scenario.js";

const scenarios: Scenario[] = [];
const add = (
  name: string,
  fastify: NonNullable<Scenario["fastify"]>,
  rest: Partial<Scenario> & Pick<Scenario, "shows">,
) => scenarios.push({ name: `fastify: ${name}`, on: ["fastify"], fastify, ...rest });

/** Hooks behind the answer. */
type Late = {
  hook: (...args: Misused[]) => unknown;
  shows: Scenario["shows"];
  http2?: Scenario["http2"];
  provokes?: Scenario["provokes"];
  on: string;
  handler?: () => unknown;
};
const BEHIND: Record<string, Late> = {
  "preSerialization hook that throws": {
    on: "preSerialization",
    hook: async () => {
      throw new Error("secret cause");
    },
    shows: fault,
  },
  "preSerialization hook that never settles": { on: "preSerialization", hook: (_a, _b, _c, _done) => {}, shows: late },
  "preSerialization hook that gives a symbol": {
    on: "preSerialization",
    hook: async () => Symbol("secret"),
    shows: [fault, { kind: "complete" }],
  },
  "onSend hook that throws": {
    on: "onSend",
    hook: async () => {
      throw new Error("secret cause");
    },
    shows: fault,
  },
  "onSend hook that never calls back": { on: "onSend", hook: (_a, _b, _c, _done) => {}, shows: late },
  "onSend hook that calls back twice": {
    on: "onSend",
    hook: (_request, _reply, payload, done) => {
      done(null, payload);
      done(null, payload);
    },
    shows: own('{"a":1}'),
  },
  "onSend hook that calls back an error after the answer": {
    on: "onSend",
    hook: (_request, _reply, payload, done) => {
      done(null, payload);
      setTimeout(() => done(new Error("secret cause")), 15);
    },
    shows: own('{"a":1}'),
    provokes: "uncaughtException",
  },
  "onSend hook that gives an object": { on: "onSend", hook: async () => ({ not: "octets" }), shows: fault },
  "onSend hook that gives a number": { on: "onSend", hook: async () => 5, shows: fault },
  "onSend hook that gives null": { on: "onSend", hook: async () => null, shows: own("") },
  "onSend hook that gives a shorter payload": {
    on: "onSend",
    hook: async (_request, reply) => {
      reply.header("content-length", 100);
      return "short";
    },
    shows: [own("short"), fault],
  },
  "onSend hook that gives a failing stream": {
    on: "onSend",
    hook: async () => {
      const { Readable } = await import("node:stream");
      return new Readable({
        read() {
          this.destroy(new Error("secret cause"));
        },
      });
    },
    shows: fault,
  },
  "onSend hook that sets a bad field": {
    on: "onSend",
    hook: async (_request, reply, payload) => {
      reply.header("x-y", "a\r\nb");
      return payload;
    },
    shows: fault,
    http2: { shows: [fault, own()] },
  },
  "onSend hook that destroys the response": {
    on: "onSend",
    hook: async (_request, reply, payload) => {
      reply.raw.destroy();
      return payload;
    },
    shows: fault,
  },
  "onSend hook that throws on every answer": {
    on: "onSend",
    hook: (_request, _reply, _payload, _done) => {
      throw new Error("secret cause");
    },
    shows: fault,
  },
  "onResponse hook that throws": {
    on: "onResponse",
    hook: async () => {
      throw new Error("secret cause");
    },
    shows: own('{"a":1}'),
  },
  "onResponse hook that never settles": { on: "onResponse", hook: () => new Promise(() => {}), shows: own('{"a":1}') },
  "onResponse hook that sends": {
    on: "onResponse",
    hook: async (_request, reply) => reply.send("again"),
    shows: own('{"a":1}'),
  },
  "onResponse hook that throws at once": {
    on: "onResponse",
    hook: (_request, _reply, _done) => {
      throw new Error("secret cause");
    },
    shows: own('{"a":1}'),
    provokes: "uncaughtException",
  },
  "onError hook that throws": {
    on: "onError",
    hook: async () => {
      throw new Error("secret second");
    },
    shows: fault,
    handler: () => {
      throw new Error("secret cause");
    },
  },
  "onError hook that never calls back": {
    on: "onError",
    hook: (_request, _reply, _error, _done) => {},
    shows: late,
    handler: () => {
      throw new Error("secret cause");
    },
  },
  "onError hook that sends": {
    on: "onError",
    hook: async (_request, reply) => reply.send("again"),
    shows: fault,
    handler: () => {
      throw new Error("secret cause");
    },
  },
  "onTimeout hook that throws": {
    on: "onTimeout",
    hook: async () => {
      throw new Error("secret second");
    },
    shows: late,
    handler: () => new Promise(() => {}),
  },
  "onRequestAbort hook that throws": {
    on: "onRequestAbort",
    hook: async () => {
      throw new Error("secret second");
    },
    shows: own('{"a":1}'),
  },
};
for (const [what, { on, hook, shows, http2, provokes, handler }] of Object.entries(BEHIND)) {
  add(`an ${what}`, (app) => app.get("/", { [on]: hook }, handler ?? (async () => ({ a: 1 }))), {
    shows,
    ...(http2 && { http2 }),
    ...(provokes ? { provokes } : {}),
    settleMs: what.includes("after") ? 30 : 0,
  });
}

export default group("fastify: late hooks", scenarios);
