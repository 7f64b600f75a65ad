import { cut, fault, group, type Misused, own, type Scenario, sleep, thrown } from "../scenario.js";

const hints = { link: "</a.css>; rel=preload; as=style" };
const hello = own("hello");

/** Interim responses where none may be, or with what must not be in them. */
const WRONG: Record<string, { act: (res: Misused) => unknown; rules: string[]; shows?: Scenario["shows"] }> = {
  "100 after the head": {
    act: (res) => {
      res.writeHead(200);
      res.flushHeaders();
      res.writeContinue();
      res.end("hello");
    },
    rules: ["IR-3"],
  },
  "102 between chunks": {
    act: async (res) => {
      res.write("hel");
      await sleep(50);
      res.writeProcessing();
      res.end("lo");
    },
    rules: ["IR-3"],
  },
  "100 between chunks": {
    act: async (res) => {
      res.write("hel");
      await sleep(50);
      res.writeContinue();
      res.end("lo");
    },
    rules: ["IR-3"],
  },
  "early hints between chunks": {
    act: async (res) => {
      res.write("hel");
      await sleep(50);
      res.writeEarlyHints(hints);
      res.end("lo");
    },
    rules: ["IR-3"],
  },
  "early hints after a held write": {
    act: (res) => {
      res.write("hel");
      res.writeEarlyHints(hints);
      res.end("lo");
    },
    rules: ["IR-3"],
  },
  "early hints with CR LF": {
    act: (res) => {
      res.writeEarlyHints({ ...hints, "x-y": "a\r\nx-bad: 1" });
      res.end("hello");
    },
    rules: ["IR-4"],
  },
  "early hints with a second response in them": {
    act: (res) => {
      res.writeEarlyHints({ ...hints, "x-y": "a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen" });
      res.end("hello");
    },
    rules: ["IR-4"],
  },
  "early hints with a bad name": {
    act: (res) => {
      res.writeEarlyHints({ ...hints, "bad name": "1" });
      res.end("hello");
    },
    rules: ["IR-4"],
  },
  "early hints with Content-Length": {
    act: (res) => {
      res.writeEarlyHints({ ...hints, "content-length": "5" });
      res.end("hello");
    },
    rules: ["IR-1"],
  },
  "early hints with Transfer-Encoding": {
    act: (res) => {
      res.writeEarlyHints({ ...hints, "transfer-encoding": "chunked" });
      res.end("hello");
    },
    rules: ["IR-1"],
  },
  "early hints with a bad link": {
    act: (res) => {
      res.writeEarlyHints({ link: "no link at all" });
      res.end("hello");
    },
    rules: ["IR-4"],
  },
  "early hints with 200 KB": {
    act: (res) => {
      res.writeEarlyHints({ ...hints, "x-large": "x".repeat(200_000) });
      res.end("hello");
    },
    rules: ["IR-2"],
  },
  "300 early hints": {
    act: (res) => {
      for (let i = 0; i < 300; i++) res.writeEarlyHints(hints);
      res.end("hello");
    },
    rules: ["IR-6"],
  },
  "an interim response after the end": {
    act: (res) => {
      res.end("hello");
      res.writeProcessing();
    },
    rules: ["IR-3", "MC-7"],
  },
};

const scenarios: Scenario[] = Object.entries(WRONG).map(([what, { act, rules, shows }]) => ({
  name: what,
  rules,
  origin: (_req, res) => act(res),
  shows: shows ?? [hello, thrown, cut],
  also: (responses) => (responses[0]?.interim.length ?? 0) < 100 || "a flood of interim responses",
}));

scenarios.push(
  {
    name: "100 Continue before the answer",
    control: true,
    origin: (_req, res) => {
      res.writeContinue();
      res.end("hello");
    },
    shows: hello,
  },
  {
    name: "102 Processing before the answer",
    onlyHttp1: "the compatibility API has no writeProcessing()",
    control: true,
    origin: async (_req, res) => {
      res.writeProcessing();
      await sleep(20);
      res.end("hello");
    },
    shows: hello,
  },
  {
    name: "early hints before the answer",
    control: true,
    rules: ["IR-7"],
    origin: (_req, res) => {
      res.writeEarlyHints(hints);
      res.end("hello");
    },
    shows: hello,
  },
  {
    name: "early hints, then a fault",
    rules: ["MC-3"],
    origin: (_req, res) => {
      res.writeEarlyHints(hints);
      res.destroy();
    },
    shows: fault,
  },
  {
    name: "early hints, then a bad status",
    rules: ["SL-1"],
    origin: (_req, res) => {
      res.writeEarlyHints(hints);
      res.writeHead(999);
      res.end();
    },
    shows: fault,
  },
  {
    name: "100 Continue, then a thrown error",
    rules: ["MC-3"],
    origin: (_req, res) => {
      res.writeContinue();
      throw new Error("secret cause");
    },
    shows: thrown,
  },
);

export default group("interim", scenarios);
