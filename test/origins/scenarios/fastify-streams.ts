import { createReadStream } from "node:fs";
import { PassThrough, Readable, Transform } from "node:stream";
import {
  type Aid,
  cut,
  fault,
  faultOrCut,
  group,
  late,
  type Misused,
  own,
  replaced,
  type Scenario,
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
const failing = () =>
  new Readable({
    read() {
      this.destroy(new Error("secret cause"));
    },
  });
const failingAfter = (octets: number) =>
  Readable.from(
    (async function* () {
      yield "x".repeat(octets);
      await sleep(60);
      throw new Error("secret cause");
    })(),
  );

/** Streams. */
const STREAMS: Record<
  string,
  { make: (aid: Aid) => unknown; control?: true } & Pick<Scenario, "shows" | "provokes" | "http2">
> = {
  "a source that fails at once": { make: failing, shows: fault },
  "a source that fails 5 ms later": {
    make: () => {
      const source = new PassThrough();
      setTimeout(() => source.destroy(new Error("secret cause")), 5);
      return source;
    },
    shows: fault,
  },
  "a source that fails in mid-content": { make: () => failingAfter(100_000), shows: cut },
  "a source that stalls": { make: () => new PassThrough(), shows: late },
  "a source that stalls in mid-content": {
    make: () => {
      const source = new PassThrough();
      source.write("x".repeat(100_000));
      return source;
    },
    shows: cut,
  },
  "a source that was destroyed before": {
    make: () => {
      const source = new PassThrough();
      source.destroy();
      return source;
    },
    shows: [fault, late, cut],
  },
  "a source that was read to its end before": {
    make: () => {
      const source = new PassThrough();
      source.end();
      source.resume();
      return source;
    },
    shows: [own(""), late, fault],
  },
  "a source closed without an end": {
    make: () => {
      const source = new PassThrough();
      source.write("x".repeat(100_000));
      setTimeout(() => source.destroy(), 60);
      return source;
    },
    shows: cut,
  },
  "a source of objects": {
    make: () => Readable.from([{ a: 1 }]),
    shows: [...faultOrCut, late],
    provokes: "uncaughtException",
  },
  "a missing file": { make: () => createReadStream("/nonexistent/file"), shows: replaced(404, 500) },
  "a transform that fails": {
    make: () => {
      const broken = new Transform({ transform: (_chunk, _encoding, done) => done(new Error("secret cause")) });
      Readable.from(["hello"]).pipe(broken);
      return broken;
    },
    shows: fault,
  },
  "a web stream that fails at once": {
    make: () =>
      new ReadableStream({
        start(controller) {
          controller.error(new Error("secret cause"));
        },
      }),
    shows: fault,
  },
  "a web stream that fails in mid-content": {
    make: () => {
      let sent = false;
      return new ReadableStream({
        async pull(controller) {
          if (sent) {
            await sleep(60);
            controller.error(new Error("secret cause"));
          } else controller.enqueue(Buffer.alloc(100_000, "x"));
          sent = true;
        },
      });
    },
    shows: cut,
  },
  "a web stream that stalls": { make: () => new ReadableStream({}), shows: late },
  "a web stream that is locked": {
    make: () => {
      const stream = new ReadableStream({});
      stream.getReader();
      return stream;
    },
    shows: fault,
  },
  "a web stream of objects": {
    make: () =>
      new ReadableStream({
        start(controller) {
          controller.enqueue({ a: 1 });
          controller.close();
        },
      }),
    shows: [...faultOrCut, late],
    provokes: "uncaughtException",
  },
  "a Response": {
    make: () => new Response("hello", { status: 201, headers: { "x-y": "1" } }),
    shows: own("hello", { status: 201 }),
    control: true,
  },
  "a Response whose body fails": {
    make: () =>
      new Response(
        new ReadableStream({
          start(controller) {
            controller.error(new Error("secret cause"));
          },
        }),
      ),
    shows: fault,
  },
  "a Response whose body was read": {
    make: () => {
      const response = new Response("hello");
      void response.text();
      return response;
    },
    shows: [fault, own("hello"), late],
  },
  "a Response with wrong framing": {
    make: () => new Response("hello", { headers: { "content-length": "3", "transfer-encoding": "gzip" } }),
    shows: [fault, own("hello")],
    http2: { provokes: "unhandledRejection", shows: [fault, late] },
  },
  "a stream that works": { make: () => Readable.from(["hel", "lo"]), shows: own("hello"), control: true },
  "a web stream that works": {
    make: () =>
      new ReadableStream({
        start(controller) {
          controller.enqueue(Buffer.from("hello"));
          controller.close();
        },
      }),
    shows: own("hello"),
    control: true,
  },
};
for (const [what, { make, control, ...rest }] of Object.entries(STREAMS)) {
  add(
    `reply.send of ${what}`,
    route((_request, reply, aid) => reply.send(make(aid))),
    { ...rest, ...(control ? { control } : {}), rules: ["MC-6"] },
  );
}
add(
  "a stream shorter than its Content-Length",
  route((_request, reply) => reply.header("content-length", 20).send(Readable.from(["hel", "lo"]))),
  { shows: [...faultOrCut, own("hello")], rules: ["MC-5"] },
);
add(
  "a stream longer than its Content-Length",
  route((_request, reply) => reply.header("content-length", 3).send(Readable.from(["hel", "lo"]))),
  { shows: [...faultOrCut, own("hello")], rules: ["MC-7"] },
);
add(
  "a stream whose response is destroyed",
  route((_request, reply) => {
    const source = new PassThrough();
    setTimeout(() => reply.raw.destroy(), 5);
    return reply.send(source);
  }),
  { shows: fault },
);
add(
  "reply.raw.write, then a stream",
  route((_request, reply) => {
    reply.raw.write("hello");
    return reply.send(Readable.from(["again"]));
  }),
  { shows: [fault, cut, own("helloagain"), own("hello")] },
);

export default group("fastify: streams", scenarios);
