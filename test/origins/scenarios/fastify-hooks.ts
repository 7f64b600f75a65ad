import { cut, fault, group, late, type Misused, own, type Scenario } from "../scenario.js";

const scenarios: Scenario[] = [];
const add = (
  name: string,
  fastify: NonNullable<Scenario["fastify"]>,
  rest: Partial<Scenario> & Pick<Scenario, "shows">,
) => scenarios.push({ name: `fastify: ${name}`, on: ["fastify"], fastify, ...rest });

/** Hooks in front of the answer. */
const EARLY = ["onRequest", "preParsing", "preValidation", "preHandler"] as const;
/** What a hook does; `done` is the last argument. */
const DOES: Record<
  string,
  { hook: (...args: Misused[]) => unknown; shows: Scenario["shows"]; provokes?: Scenario["provokes"] }
> = {
  throws: {
    hook: (..._args) => {
      throw new Error("secret cause");
    },
    shows: fault,
  },
  "calls done with an error": { hook: (...args) => args.at(-1)(new Error("secret cause")), shows: fault },
  "calls done with a string": { hook: (...args) => args.at(-1)("secret"), shows: [fault, { kind: "complete" }] },
  "never calls done": { hook: () => {}, shows: late },
  "calls done twice": {
    hook: (...args) => {
      args.at(-1)();
      args.at(-1)();
    },
    shows: [own("hello"), fault],
  },
  "calls done again 15 ms later": {
    hook: (...args) => {
      args.at(-1)();
      setTimeout(args.at(-1), 15);
    },
    shows: own("hello"),
  },
  "throws 5 ms later": {
    hook: () =>
      void setTimeout(() => {
        throw new Error("secret cause");
      }, 5),
    shows: [fault, late],
    provokes: "uncaughtException",
  },
  "destroys the response": { hook: (_request, reply) => reply.raw.destroy(), shows: fault },
  "destroys the socket and goes on": {
    hook: (request, _reply, ...rest) => {
      request.raw.socket.destroy();
      rest.at(-1)();
    },
    shows: [fault, own("hello")],
  },
  "answers and goes on": {
    hook: (_request, reply, ...rest) => {
      reply.send("early");
      rest.at(-1)();
    },
    shows: own("early"),
  },
  "hijacks and leaves": { hook: (_request, reply) => void reply.hijack(), shows: late },
  "writes to reply.raw and goes on": {
    hook: (_request, reply, ...rest) => {
      reply.raw.write("early");
      rest.at(-1)();
    },
    shows: [fault, own(/early/), cut, late],
  },
};
for (const name of EARLY) {
  for (const [does, { hook, shows, provokes }] of Object.entries(DOES)) {
    add(`a ${name} hook that ${does}`, withHook(name, hook), {
      shows,
      ...(provokes ? { provokes } : {}),
      ...(does.includes("again") ? { secondTakesMs: 30 } : {}),
    });
  }
  for (const [does, hook, shows] of [
    ["rejects", async () => Promise.reject(new Error("secret cause")), fault],
    ["rejects with undefined", async () => Promise.reject(undefined), [fault, { kind: "complete" }, late]],
    ["never settles", () => new Promise(() => {}), late],
    [
      "answers and returns the reply",
      async (_request: Misused, reply: Misused) => reply.code(401).send("early"),
      own("early", { status: 401 }),
    ],
  ] as const) {
    add(
      `an async ${name} hook that ${does}`,
      (app) => {
        app.get("/", { [name]: async (request: Misused, reply: Misused) => hook(request, reply) }, async () => "hello");
      },
      { shows: shows as Scenario["shows"], ...(does.startsWith("answers") ? { control: true as const } : {}) },
    );
  }
}

/** Fastify tells callback hooks by their number of parameters. */
function withHook(name: string, hook: (...args: Misused[]) => unknown): NonNullable<Scenario["fastify"]> {
  const four = (request: Misused, reply: Misused, content: Misused, done: Misused) =>
    hook(request, reply, content, done);
  const three = (request: Misused, reply: Misused, done: Misused) => hook(request, reply, done);
  return (app) => app.get("/", { [name]: name === "preParsing" ? four : three }, async () => "hello");
}

export default group("fastify: early hooks", scenarios);
