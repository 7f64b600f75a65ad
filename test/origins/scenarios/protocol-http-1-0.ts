import { cut, fault, group, late, type Misused, own, type Scenario, sleep } from "../scenario.js";

const hello = (_req: Misused, res: Misused) => res.end("hello");

const scenarios: Scenario[] = [];

/** What changes for a client of HTTP/1.0. */
const TO_1_0: Record<
  string,
  { act: (req: Misused, res: Misused) => unknown; shows: Scenario["shows"]; control?: true; rules?: string[] }
> = {
  "an answer": { act: hello, shows: own("hello"), control: true },
  "a streamed answer": {
    act: (_req, res) => {
      res.write("hel");
      res.end("lo");
    },
    shows: own("hello", { fields: { "transfer-encoding": null } }),
    control: true,
  },
  "a thrown error": {
    act: () => {
      throw new Error("secret cause");
    },
    shows: [fault, late],
  },
  "a stream that fails": {
    act: async (_req, res) => {
      res.write("x".repeat(100_000));
      await sleep(60);
      res.destroy();
    },
    shows: cut,
    rules: ["MC-9"],
  },
  "a stream whose socket is ended": {
    act: async (req, res) => {
      res.write("x".repeat(100_000));
      await sleep(60);
      req.socket.end();
    },
    shows: cut,
    rules: ["MC-9"],
  },
  "a stream that stalls": { act: (_req, res) => res.write("x".repeat(100_000)), shows: cut, rules: ["MC-9"] },
  "early hints": {
    act: (_req, res) => {
      res.writeEarlyHints({ link: "</a.css>; rel=preload" });
      res.end("hello");
    },
    shows: own("hello"),
    rules: ["SL-7"],
  },
  "102 Processing": {
    act: (_req, res) => {
      res.writeProcessing();
      res.end("hello");
    },
    shows: own("hello"),
    rules: ["SL-7"],
  },
  "100 Continue": {
    act: (_req, res) => {
      res.writeContinue();
      res.end("hello");
    },
    shows: own("hello"),
    rules: ["SL-7"],
  },
  "status 101": {
    act: (_req, res) => {
      res.writeHead(101);
      res.end();
    },
    shows: fault,
    rules: ["SL-11"],
  },
  "too much content": {
    act: (_req, res) => {
      res.setHeader("content-length", 3);
      res.end("hello");
    },
    shows: [own("hello"), fault],
  },
};
for (const [what, { act, shows, control, rules }] of Object.entries(TO_1_0)) {
  for (const keepAlive of [false, true]) {
    scenarios.push({
      name: `${what} to HTTP/1.0${keepAlive ? " with keep-alive" : ""}`,
      request: { version: "1.0", headers: keepAlive ? { connection: "keep-alive" } : {} },
      origin: act,
      shows,
      ...(control ? { control } : {}),
      ...(rules ? { rules } : {}),
    });
  }
}

export default group("protocol: HTTP/1.0", scenarios, "HTTP/1.0 is a version of its own");
