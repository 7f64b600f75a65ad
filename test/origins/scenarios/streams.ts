import { createReadStream } from "node:fs";
import { PassThrough, pipeline, Readable, Transform } from "node:stream";
import { pipeline as pipelined } from "node:stream/promises";
import { cut, fault, group, late, type Misused, mended, own, type Scenario, sleep, thrown } from "../scenario.js";

const lateOr = [late, fault, cut];
const failing = () =>
  new Readable({
    read() {
      this.destroy(new Error("secret cause"));
    },
  });
/** Yields `octets` octets, waits until they have left, then fails. */
const failingAfter = (octets: number, ms = 60) =>
  Readable.from(
    (async function* () {
      yield "x".repeat(octets);
      await sleep(ms);
      throw new Error("secret cause");
    })(),
  );

/** Ways to connect a source to a response. */
const CONNECTING: Record<string, (source: Readable, res: Misused) => unknown> = {
  "pipe()": (source, res) => {
    source.on("error", () => {});
    source.pipe(res);
  },
  "pipeline()": (source, res) => void pipeline(source, res, () => {}),
  "a promised pipeline": (source, res) => pipelined(source, res),
  "an iterator": async (source, res) => {
    for await (const chunk of source) res.write(chunk);
    res.end();
  },
};

const scenarios: Scenario[] = [];
for (const [how, connect] of Object.entries(CONNECTING)) {
  const early = how === "pipe()" ? lateOr : how === "a promised pipeline" || how === "an iterator" ? [thrown] : [fault];
  scenarios.push(
    {
      name: `a source that fails at once, by ${how}`,
      rules: ["MC-2"],
      origin: (_req, res) => connect(failing(), res),
      shows: early,
    },
    {
      name: `a source that fails 5 ms later, by ${how}`,
      rules: ["MC-2"],
      origin: (_req, res) => {
        const source = new PassThrough();
        setTimeout(() => source.destroy(new Error("secret cause")), 5);
        return connect(source, res);
      },
      shows: early,
    },
    {
      name: `a source that fails after the first octet, by ${how}`,
      rules: ["MC-6"],
      origin: (_req, res) => connect(failingAfter(1, 1), res),
      shows: [...early, cut],
    },
    {
      name: `a source that fails in mid-content, by ${how}`,
      rules: ["MC-6", "MC-9"],
      origin: (_req, res) => connect(failingAfter(100_000), res),
      shows: cut,
    },
    {
      name: `a source that fails in mid-content under Content-Length, by ${how}`,
      rules: ["MC-5"],
      origin: (_req, res) => {
        res.setHeader("content-length", 200_000);
        return connect(failingAfter(100_000), res);
      },
      shows: cut,
    },
    {
      name: `a source that ends before its Content-Length, by ${how}`,
      rules: ["MC-5"],
      origin: (_req, res) => {
        res.setHeader("content-length", 20);
        return connect(Readable.from(["hel", "lo"]), res);
      },
      shows: [...mended("hello"), cut],
    },
    {
      name: `a source that goes beyond its Content-Length, by ${how}`,
      rules: ["MC-7"],
      origin: (_req, res) => {
        res.setHeader("content-length", 3);
        return connect(Readable.from(["hel", "lo"]), res);
      },
      shows: [...mended("hello"), cut],
    },
    {
      name: `a source of objects, by ${how}`,
      ...(how === "an iterator" ? {} : { provokes: "uncaughtException" as const }),
      origin: (_req, res) => connect(Readable.from([{ a: 1 }, { b: 2 }]), res),
      shows: [thrown, cut],
    },
    {
      name: `a source that is closed without an end, by ${how}`,
      rules: ["MC-9"],
      origin: (_req, res) => {
        const source = new PassThrough();
        source.write("x".repeat(100_000));
        setTimeout(() => source.destroy(), 60);
        return connect(source, res);
      },
      shows: cut,
    },
    {
      name: `a source that is destroyed before it is connected, by ${how}`,
      origin: (_req, res) => {
        const source = new PassThrough();
        source.on("error", () => {});
        source.destroy();
        return connect(source, res);
      },
      shows: lateOr,
    },
    {
      name: `a missing file, by ${how}`,
      rules: ["MC-2"],
      origin: (_req, res) => connect(createReadStream("/nonexistent/file"), res),
      shows: early,
    },
    {
      name: `a directory read as a file, by ${how}`,
      origin: (_req, res) => connect(createReadStream("/tmp"), res),
      shows: early,
    },
    {
      name: `a transform that fails, by ${how}`,
      origin: (_req, res) => {
        const broken = new Transform({ transform: (_chunk, _encoding, done) => done(new Error("secret cause")) });
        Readable.from(["hello"]).pipe(broken);
        return connect(broken, res);
      },
      shows: early,
    },
    {
      name: `a source that works, by ${how}`,
      control: true,
      origin: (_req, res) =>
        connect(
          Readable.from(
            (async function* () {
              yield "hel";
              await sleep(40);
              yield "lo";
            })(),
          ),
          res,
        ),
      shows: own("hello"),
    },
    {
      name: `a large source that works, by ${how}`,
      control: true,
      origin: (_req, res) =>
        connect(Readable.from(Array.from({ length: 40 }, (_, i) => Buffer.alloc(50_000, 97 + (i % 26)))), res),
      shows: own((content) => content.length === 2_000_000),
    },
  );
}

export default group("streams: sources", scenarios);
