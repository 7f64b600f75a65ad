import { complete, fault, group, own, type Scenario } from "../scenario.js";

/** Values that are no status of a final response. */
const BAD: Record<string, unknown> = {
  "0": 0,
  "1": 1,
  "-1": -1,
  "99": 99,
  "100": 100,
  "101": 101,
  "102": 102,
  "103": 103,
  "150": 150,
  "199": 199,
  "600": 600,
  "700": 700,
  "999": 999,
  "1000": 1000,
  "65736": 65736,
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "'abc'": "abc",
  "''": "",
  undefined: undefined,
  null: null,
  "an object": {},
  "an empty array": [],
  "a function": () => 200,
  "a symbol": Symbol("secret"),
  "a bigint": 200n,
  "an object that throws": {
    valueOf() {
      throw new Error("secret cause");
    },
  },
};

const scenarios: Scenario[] = [];
for (const [value, status] of Object.entries(BAD)) {
  const rules = value.length === 3 ? ["SL-1", "SL-3"] : ["SL-2"];
  scenarios.push(
    {
      name: `status ${value} by res.statusCode`,
      rules,
      origin: (_req, res) => {
        res.statusCode = status;
        res.end("hello");
      },
      shows: fault,
    },
    {
      name: `status ${value} by writeHead`,
      rules,
      origin: (_req, res) => {
        res.writeHead(status, { "content-type": "text/plain" });
        res.end("hello");
      },
      shows: fault,
      // Node takes 200 for what is no number, or none but 0.
      http2: { shows: [fault, own("hello")] },
    },
  );
}

for (const status of [100, 101, 103, 600, 999]) {
  scenarios.push(
    {
      name: `status ${status} with a streamed answer`,
      rules: ["SL-1", "SL-3"],
      origin: (_req, res) => {
        res.writeHead(status);
        res.write("hel");
        res.end("lo");
      },
      shows: fault,
    },
    {
      name: `status ${status} to HEAD`,
      rules: ["SL-1", "SL-3"],
      request: { method: "HEAD" },
      origin: (_req, res) => {
        res.statusCode = status;
        res.end();
      },
      shows: fault,
    },
    {
      name: `status ${status} with flushHeaders`,
      rules: ["SL-1", "SL-3"],
      origin: (_req, res) => {
        res.statusCode = status;
        res.flushHeaders();
        res.end("hello");
      },
      shows: fault,
    },
    {
      name: `status ${status} set 10 ms after the request`,
      rules: ["SL-1", "SL-3"],
      origin: (_req, res) => {
        setTimeout(() => {
          res.statusCode = status;
          res.end("hello");
        }, 10);
      },
      shows: fault,
      // The compatibility API throws where the status is set.
      http2: { provokes: "uncaughtException" },
    },
  );
}

for (const [own, shown] of [
  [502, 500],
  [504, 503],
] as const) {
  scenarios.push({
    name: `an own ${own} that an edge would replace`,
    origin: (_req, res) => {
      res.writeHead(own, { "content-type": "text/plain" });
      res.end("gateway trouble");
    },
    shows: [{ kind: "replaced", statuses: [shown], fields: {} }],
  });
}

scenarios.push(
  {
    name: "101 without an upgrade, with content",
    rules: ["SL-8", "SL-9"],
    origin: (_req, res) => {
      res.writeHead(101, { connection: "upgrade", upgrade: "websocket" });
      res.end("hello");
    },
    shows: fault,
    // The final handler of Express goes on with the fields that have failed already, here and below.
    http2: { provokes: "uncaughtException" },
  },
  {
    name: "a status given as a string of digits",
    control: true,
    origin: (_req, res) => {
      res.writeHead("201");
      res.end("hello");
    },
    shows: own("hello", { status: 201 }),
  },
  {
    name: "a fractional status",
    control: true,
    origin: (_req, res) => {
      res.writeHead(200.7);
      res.end("hello");
    },
    shows: own("hello"),
  },
  ...[200, 201, 202, 203, 206, 207, 299, 300, 400, 401, 404, 418, 429, 451, 499, 500, 501, 503, 507, 511, 599].map(
    (status): Scenario => ({
      name: `an ordinary ${status}`,
      control: true,
      origin: (_req, res) => {
        res.writeHead(status, { "content-type": "text/plain" });
        res.end("hello");
      },
      shows: own("hello", { status }),
    }),
  ),
);

/** Reason phrases that must not reach the wire. */
const REASONS: Record<string, unknown> = {
  "CR LF and a field": "OK\r\nSet-Cookie: stolen=1",
  "a bare CR": "OK\rbad",
  "a bare LF": "OK\nbad",
  NUL: "OK\0bad",
  DEL: "OK\x7f",
  "letters outside Latin-1": "всё хорошо",
  emoji: "OK 👍",
  "an object that throws": {
    toString() {
      throw new Error("secret cause");
    },
  },
  "a symbol": Symbol("secret"),
};

for (const [what, reason] of Object.entries(REASONS)) {
  scenarios.push(
    {
      name: `reason phrase with ${what} by res.statusMessage`,
      rules: ["SL-4"],
      origin: (_req, res) => {
        res.statusMessage = reason;
        res.end("hello");
      },
      shows: [fault, own("hello")],
    },
    {
      name: `reason phrase with ${what} by writeHead`,
      rules: ["SL-4"],
      origin: (_req, res) => {
        res.writeHead(200, reason, { "content-type": "text/plain" });
        res.end("hello");
      },
      shows: [fault, own("hello")],
    },
  );
}

scenarios.push(
  {
    name: "a reason phrase of 200 KB",
    rules: ["HF-18"],
    origin: (_req, res) => {
      res.statusMessage = "x".repeat(200_000);
      res.end("hello");
    },
    shows: [fault, own("hello")],
  },
  {
    name: "an empty reason phrase",
    control: true,
    rules: ["SL-5"],
    origin: (_req, res) => {
      res.statusMessage = "";
      res.end("hello");
    },
    shows: own("hello"),
  },
  {
    name: "a reason phrase in Latin-1",
    control: true,
    origin: (_req, res) => {
      res.statusMessage = "très bien";
      res.end("hello");
    },
    shows: complete,
  },
);

export default group("status", scenarios);
