import { cut, group, type Misused, own, type Scenario, sleep, thrown } from "../scenario.js";

const hello = own("hello");

/** Calls on a response that is already over: the answer stays as it was, and nobody is hurt. */
const AFTER_END: Record<string, (res: Misused) => void> = {
  "end() again": (res) => res.end(),
  "end(content) again": (res) => res.end("again"),
  "end(content, callback) again": (res) => res.end("again", () => {}),
  "write()": (res) => res.write("again"),
  "write() with a callback": (res) => res.write("again", () => {}),
  "write() of a Buffer": (res) => res.write(Buffer.from("again")),
  "five writes": (res) => {
    for (let i = 0; i < 5; i++) res.write("again");
  },
  "flushHeaders()": (res) => res.flushHeaders(),
  "addTrailers()": (res) => res.addTrailers({ "x-t": "1" }),
  "cork() and uncork()": (res) => {
    res.cork();
    res.uncork();
  },
  "a new status": (res) => {
    res.statusCode = 500;
  },
  "write() of an object": (res) => {
    try {
      res.write({});
    } catch {}
  },
  "writeContinue()": (res) => {
    try {
      res.writeContinue();
    } catch {}
  },
  "writeProcessing()": (res) => {
    try {
      res.writeProcessing();
    } catch {}
  },
  "writeEarlyHints()": (res) => {
    try {
      res.writeEarlyHints({ link: "</a.css>; rel=preload" });
    } catch {}
  },
  "an emitted error": (res) => res.emit("error", new Error("secret cause")),
};
/** Calls on a finished response that Node answers with an exception. */
const AFTER_END_THROWS: Record<string, (res: Misused) => void> = {
  "setHeader()": (res) => res.setHeader("x-y", "1"),
  "writeHead()": (res) => res.writeHead(500),
  "removeHeader()": (res) => res.removeHeader("date"),
  "appendHeader()": (res) => res.appendHeader("x-y", "1"),
};

const scenarios: Scenario[] = [];
for (const [what, act] of Object.entries({ ...AFTER_END, ...AFTER_END_THROWS })) {
  scenarios.push({
    name: `${what} after end()`,
    rules: ["MC-7"],
    origin: (_req, res) => {
      res.end("hello");
      act(res);
    },
    shows: hello,
  });
}
for (const [what, act] of Object.entries(AFTER_END)) {
  scenarios.push({
    name: `${what} 15 ms after end()`,
    rules: ["MC-7"],
    origin: (_req, res) => {
      res.end("hello");
      setTimeout(() => act(res), 15);
    },
    secondTakesMs: 40,
    shows: hello,
    ...(what === "an emitted error" ? { http2: { provokes: "uncaughtException" as const } } : {}),
  });
}
for (const [what, act] of Object.entries(AFTER_END_THROWS)) {
  scenarios.push({
    name: `${what} 15 ms after end()`,
    rules: ["MC-7"],
    origin: async (_req, res) => {
      res.end("hello");
      await sleep(15);
      act(res);
    },
    secondTakesMs: 40,
    shows: hello,
  });
}

/** Calls between the head and the end. */
const AFTER_WRITE: Record<string, (res: Misused) => void> = {
  "setHeader()": (res) => res.setHeader("x-y", "1"),
  "writeHead()": (res) => res.writeHead(404),
  "removeHeader()": (res) => res.removeHeader("x-y"),
};
for (const [what, act] of Object.entries(AFTER_WRITE)) {
  scenarios.push(
    {
      name: `${what} after a write`,
      rules: ["MC-6"],
      origin: (_req, res) => {
        res.write("hel");
        act(res);
        res.end("lo");
      },
      shows: [thrown, cut, hello],
    },
    {
      name: `${what} after writeHead`,
      rules: ["MC-2"],
      origin: (_req, res) => {
        res.writeHead(200, { "content-type": "text/plain" });
        act(res);
        res.end("hello");
      },
      shows: [thrown, hello],
    },
    {
      name: `${what} in mid-content`,
      origin: async (_req, res) => {
        res.write("x".repeat(100_000));
        await sleep(60);
        act(res);
        res.end("end");
      },
      shows: [cut, own(/^x+end$/)],
    },
  );
}

export default group("misuse: after the end", scenarios);
