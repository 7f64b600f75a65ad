import { cut, fault, group, late, own, type Scenario, sleep, thrown } from "../scenario.js";

const hello = own("hello");

const scenarios: Scenario[] = [];

/** Content that cannot be written. */
const UNWRITABLE: Record<string, unknown> = {
  "a number": 5,
  "an object": { a: 1 },
  "an array": [1, 2],
  true: true,
  "a symbol": Symbol("secret"),
  "a Date": new Date(0),
  "an ArrayBuffer": new ArrayBuffer(4),
  "a bigint": 5n,
  "an object with toString": { toString: () => "hello" },
};
for (const [what, content] of Object.entries(UNWRITABLE)) {
  scenarios.push(
    {
      name: `end() of ${what}`,
      rules: ["MC-2"],
      origin: (_req, res) => res.end(content),
      shows: thrown,
    },
    {
      name: `write() of ${what}`,
      rules: ["MC-2"],
      origin: (_req, res) => {
        res.write(content);
        res.end();
      },
      shows: thrown,
    },
    {
      name: `write() of ${what} after a write`,
      origin: (_req, res) => {
        res.write("hello");
        res.write(content);
        res.end();
      },
      shows: [thrown, cut],
    },
  );
}
for (const content of [null, undefined]) {
  scenarios.push({
    name: `write() of ${content}`,
    origin: (_req, res) => {
      res.write(content);
      res.end("hello");
    },
    shows: thrown,
  });
}

scenarios.push(
  {
    name: "end() with an unknown encoding",
    origin: (_req, res) => res.end("hello", "klingon"),
    shows: [thrown, hello],
  },
  {
    name: "write() with an unknown encoding",
    origin: (_req, res) => {
      res.write("hello", "klingon");
      res.end();
    },
    shows: [thrown, cut, hello],
  },
  {
    name: "a failed end() leaves its length behind",
    rules: ["MC-5"],
    origin: (_req, res) => {
      try {
        res.setHeader("x-y", ["a"]);
        res.end({ no: "octets" });
      } catch {
        res.statusCode = 500;
        res.write("sor");
        res.end("ry");
      }
    },
    shows: own("sorry", { status: 500 }),
    // The header section has been sent in front of the failure there.
    http2: { shows: own("sorry") },
    control: true,
  },
  {
    name: "a failed writeHead, then an answer",
    rules: ["MC-5"],
    origin: (_req, res) => {
      try {
        res.writeHead(200, { "x-y": "a\r\nb", "content-length": 3 });
      } catch {}
      res.statusCode = 500;
      res.end("sorry");
    },
    shows: [own("sorry", { status: 500 }), fault],
  },
  {
    name: "an end() that throws for a bad status, then a streamed answer",
    rules: ["MC-5"],
    origin: (_req, res) => {
      try {
        res.statusCode = 1000;
        res.end("hello");
      } catch {}
      res.statusCode = 500;
      res.write("sor");
      res.end("ry!");
    },
    shows: [own("sorry!", { status: 500 }), fault],
  },
  {
    name: "writeHead twice",
    rules: ["MC-2"],
    origin: (_req, res) => {
      res.writeHead(200, { "content-type": "text/plain" });
      res.writeHead(201, { "content-type": "text/html" });
      res.end("hello");
    },
    shows: [thrown, hello],
  },
  {
    name: "two handlers answer the same request",
    rules: ["MC-1", "MC-7"],
    origin: (_req, res) => {
      setTimeout(() => res.end("hello"), 5);
      setTimeout(() => {
        if (!res.headersSent) res.statusCode = 500;
        res.end("second");
      }, 15);
    },
    settleMs: 20,
    shows: hello,
  },
  {
    name: "two streamed answers to the same request",
    rules: ["MC-7"],
    origin: (_req, res) => {
      for (const ms of [5, 10]) {
        setTimeout(() => {
          res.write("hel");
          res.end("lo");
        }, ms);
      }
    },
    settleMs: 20,
    shows: [hello],
  },
  {
    name: "a callback that is called twice",
    rules: ["MC-7"],
    origin: (_req, res) => {
      const done = () => {
        res.end("hello");
      };
      setTimeout(done, 5);
      setTimeout(done, 6);
      setTimeout(done, 25);
    },
    settleMs: 30,
    shows: hello,
  },
  {
    name: "a timeout answers, and then the handler does",
    rules: ["MC-7"],
    origin: async (_req, res) => {
      const timer = setTimeout(() => {
        res.statusCode = 503;
        res.end("timed out");
      }, 20);
      await sleep(60);
      clearTimeout(timer);
      res.statusCode = 200;
      res.setHeader("content-type", "text/plain");
      res.end("hello");
    },
    settleMs: 60,
    shows: own("timed out", { status: 503 }),
  },
  {
    name: "end() of the request's own stream",
    origin: (req, res) => {
      req.push?.("x");
      res.end("hello");
    },
    shows: hello,
  },
  {
    name: "an error event on the response before it is answered",
    origin: (_req, res) => {
      res.emit("error", new Error("secret cause"));
      res.end("hello");
    },
    shows: [thrown, hello],
  },
  {
    name: "an error event on the request",
    origin: (req, res) => {
      req.emit("error", new Error("secret cause"));
      res.end("hello");
    },
    shows: [thrown, hello],
  },
  {
    name: "an aborted event on the request",
    origin: (req, res) => {
      req.on("aborted", () => {});
      req.emit("aborted");
      req.emit("close");
      res.end("hello");
    },
    shows: hello,
  },
  {
    name: "res.end is overwritten with a function that does nothing",
    origin: (_req, res) => {
      res.end = () => res;
      res.end("hello");
    },
    shows: late,
  },
  {
    name: "res.write is wrapped and loses its callback",
    origin: (_req, res) => {
      const { write } = res;
      res.write = (chunk: unknown) => write.call(res, chunk);
      res.write("hel", () => res.end("lo"));
    },
    shows: [late, cut],
  },
  {
    name: "the answer is corked and ended",
    origin: (_req, res) => {
      res.cork();
      res.write("hel");
      res.end("lo");
    },
    shows: hello,
    rules: ["FR-18"],
  },
  {
    name: "writes nothing but empty strings",
    control: true,
    origin: (_req, res) => {
      res.write("");
      res.write("");
      res.end("");
    },
    shows: own(""),
  },
  {
    name: "ends with a callback and no content",
    control: true,
    origin: (_req, res) => res.end(() => {}),
    shows: own(""),
  },
  {
    name: "reads its own state before it answers",
    control: true,
    origin: (_req, res) => {
      res.setHeader(
        "x-state",
        [res.headersSent, res.writableEnded, res.writableFinished, res.destroyed, res.writable].join(),
      );
      res.end("hello");
    },
    shows: own("hello", { fields: { "x-state": "false,false,false,false,true" } }),
    http2: { shows: own("hello", { fields: { "x-state": /^false,false,false,(false)?,true$/ } }) },
  },
);

export default group("misuse: other", scenarios);
