import { cut, fault, group, late, type Misused, own, type Scenario, type Shown, sleep } from "../scenario.js";

const one = "GET /1 HTTP/1.1\r\nHost: origin\r\n\r\n";
const two = "GET /2 HTTP/1.1\r\nHost: origin\r\n\r\n";
const three = "GET /3 HTTP/1.1\r\nHost: origin\r\n\r\n";

/** What one of three pipelined requests does; the others answer with their path. */
const MISBEHAVIOUR: Record<string, { act: (req: Misused, res: Misused) => unknown; shows: readonly Shown[] }> = {
  throws: {
    act: () => {
      throw new Error("secret cause");
    },
    shows: [fault, late],
  },
  rejects: { act: async () => Promise.reject(new Error("secret cause")), shows: [fault, late] },
  "destroys its response": { act: (_req, res) => res.destroy(), shows: [fault] },
  "destroys its response 10 ms later": {
    act: async (_req, res) => void setTimeout(() => res.destroy(), 10),
    shows: [fault],
  },
  "destroys its request": { act: (req) => req.destroy(), shows: [fault] },
  "never answers": { act: () => {}, shows: [late] },
  "sends a bad status": {
    act: (_req, res) => {
      res.writeHead(999);
      res.end();
    },
    shows: [fault],
  },
  "announces too little": {
    act: (_req, res) => {
      res.writeHead(200, { "content-length": 2 });
      res.end("hello");
    },
    shows: [fault, own("hello")],
  },
  "announces too much": {
    act: (_req, res) => {
      res.writeHead(200, { "content-length": 20 });
      res.end("hello");
    },
    shows: [fault, own("hello"), cut],
  },
  "writes after its end": {
    act: (_req, res) => {
      res.end("hello");
      res.write("surplus");
      res.end("surplus");
    },
    shows: [own("hello")],
  },
  "sends a head of 200 KB": {
    act: (_req, res) => {
      res.setHeader("x-large", "x".repeat(200_000));
      res.end();
    },
    shows: [fault],
  },
};

const answer = async (req: Misused, res: Misused, ms: number) => {
  if (ms > 0) await sleep(ms);
  res.end(`answer ${req.url}`);
};

const scenarios: Scenario[] = [];
for (const [what, { act, shows }] of Object.entries(MISBEHAVIOUR)) {
  const client: NonNullable<Scenario["client"]> = async (wire) => {
    wire.send(one + two + three);
    await wire.answers(3);
  };
  const closes = (response: Misused) => response === undefined || response.closes || !response.complete;
  scenarios.push(
    {
      name: `the first of three pipelined requests ${what}`,
      rules: ["MC-1", "MC-8"],
      client,
      origin: (req, res) => (req.url === "/1" ? act(req, res) : answer(req, res, 0)),
      shows,
      showsAll: [shows, [own("answer /2"), { kind: "gone" }], [own("answer /3"), { kind: "gone" }]],
      also: (responses) =>
        responses.length === 3 || closes(responses.at(-1)) || "an answer is missing on an open connection",
    },
    {
      name: `the second of three pipelined requests ${what} while the first is slow`,
      rules: ["MC-1", "MC-8"],
      client,
      origin: (req, res) => (req.url === "/2" ? act(req, res) : answer(req, res, req.url === "/1" ? 50 : 0)),
      shows,
      showsAll: [own("answer /1"), shows, [own("answer /3"), { kind: "gone" }]],
      also: (responses) =>
        responses.length === 3 || closes(responses.at(-1)) || "an answer is missing on an open connection",
    },
  );
}

scenarios.push(
  {
    name: "three pipelined requests answered in order",
    control: true,
    client: async (wire) => {
      wire.send(one + two + three);
      await wire.answers(3);
    },
    origin: (req, res) => answer(req, res, 0),
    shows: own("answer /1"),
    showsAll: [own("answer /1"), own("answer /2"), own("answer /3")],
  },
  {
    name: "three pipelined requests answered out of order",
    rules: ["MC-8"],
    control: true,
    client: async (wire) => {
      wire.send(one + two + three);
      await wire.answers(3);
    },
    origin: (req, res) => answer(req, res, { "/1": 60, "/2": 30, "/3": 0 }[req.url as string] ?? 0),
    shows: own("answer /1"),
    showsAll: [own("answer /1"), own("answer /2"), own("answer /3")],
  },
  {
    name: "twenty pipelined requests with streams",
    control: true,
    client: async (wire) => {
      wire.send(one.repeat(20));
      await wire.answers(20);
    },
    origin: async (_req, res) => {
      res.write("hel");
      await sleep(Math.random() * 3);
      res.end("lo");
    },
    shows: own("hello"),
    showsAll: Array.from({ length: 20 }, () => own("hello")),
  },
  {
    name: "a pipelined response destroyed before its turn",
    rules: ["MC-1"],
    client: async (wire) => {
      wire.send(one + two);
      await wire.answers(2);
    },
    origin: async (req, res) => {
      if (req.url === "/2") return res.destroy();
      await sleep(40);
      res.end("answer /1");
    },
    shows: own("answer /1"),
    showsAll: [own("answer /1"), fault],
  },
  {
    name: "a pipelined large answer before its turn",
    control: true,
    client: async (wire) => {
      wire.send(one + two);
      await wire.answers(2);
    },
    origin: async (req, res) => {
      if (req.url === "/2") return res.end(Buffer.alloc(300_000, "x"));
      await sleep(40);
      res.end("answer /1");
    },
    shows: own("answer /1"),
    showsAll: [own("answer /1"), own((content) => content.length === 300_000)],
  },
  {
    name: "the first of two pipelined answers says close",
    rules: ["CX-1"],
    client: async (wire) => {
      wire.send(one + two);
      await wire.answers(1);
    },
    origin: (req, res) => {
      if (req.url === "/1") res.setHeader("connection", "close");
      res.end(`answer ${req.url}`);
    },
    shows: own("answer /1"),
    control: true,
  },
  {
    name: "the first of two pipelined requests asks for close",
    rules: ["CX-2"],
    client: async (wire) => {
      wire.send("GET /1 HTTP/1.1\r\nHost: origin\r\nConnection: close\r\n\r\n");
      wire.write(two);
      await wire.answers(1);
    },
    origin: (req, res) => answer(req, res, 10),
    shows: own("answer /1"),
  },
);

export default group("pipelining", scenarios, "streams are answered side by side, and none waits for another");
