import { fault, group, type Misused, mended, own, type Scenario } from "../scenario.js";

const scenarios: Scenario[] = [];

/** Header sections that are too large for the edge. */
const LARGE: Record<string, { set: (res: Misused) => void; rules: string[] }> = {
  "a field of 200 KB": { set: (res) => res.setHeader("x-large", "x".repeat(200_000)), rules: ["HF-18", "HF-19"] },
  "a field of 2 MB": { set: (res) => res.setHeader("x-large", "x".repeat(2_000_000)), rules: ["HF-18"] },
  "3000 fields": {
    set: (res) => {
      for (let i = 0; i < 3000; i++) res.setHeader(`x-${i}`, "1");
    },
    rules: ["HF-20"],
  },
  "300 fields": {
    set: (res) => {
      for (let i = 0; i < 300; i++) res.setHeader(`x-${i}`, "1");
    },
    rules: ["HF-20"],
  },
  "500 cookies": {
    set: (res) =>
      res.setHeader(
        "set-cookie",
        Array.from({ length: 500 }, (_, i) => `c${i}=1`),
      ),
    rules: ["HF-20"],
  },
  "100 cookies of 2 KB": {
    set: (res) =>
      res.setHeader(
        "set-cookie",
        Array.from({ length: 100 }, (_, i) => `c${i}=${"x".repeat(2000)}`),
      ),
    rules: ["HF-18"],
  },
  "a name of 200 KB": { set: (res) => res.setHeader("x".repeat(200_000), "1"), rules: ["HF-18"] },
  "a redirect to 200 KB": {
    set: (res) => res.writeHead(302, { location: `/${"x".repeat(200_000)}` }),
    rules: ["HF-18"],
  },
  "300 fields by writeHead": {
    set: (res) => res.writeHead(200, Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x-${i}`, "1"]))),
    rules: ["HF-20"],
  },
};
for (const [what, { set, rules }] of Object.entries(LARGE)) {
  scenarios.push(
    {
      name: `a header section with ${what}`,
      rules,
      origin: (_req, res) => {
        set(res);
        res.end("hello");
      },
      shows: fault,
    },
    {
      name: `a streamed answer with ${what}`,
      rules,
      origin: (_req, res) => {
        set(res);
        res.write("hel");
        res.end("lo");
      },
      shows: fault,
    },
  );
}

/** Fields that must stand once. */
const ONCE: Record<string, [string, string]> = {
  "Content-Type": ["text/plain", "text/html"],
  Date: ["Thu, 01 Jan 2026 00:00:00 GMT", "Fri, 02 Jan 2026 00:00:00 GMT"],
  ETag: ['"1"', '"2"'],
  Location: ["/a", "/b"],
  "Last-Modified": ["Thu, 01 Jan 2026 00:00:00 GMT", "Fri, 02 Jan 2026 00:00:00 GMT"],
  Expires: ["Thu, 01 Jan 2026 00:00:00 GMT", "0"],
  Age: ["1", "2"],
  "Retry-After": ["1", "2"],
  Server: ["a", "b"],
  "Content-Range": ["bytes 0-4/5", "bytes 0-4/6"],
  "Content-Location": ["/a", "/b"],
};
for (const [name, values] of Object.entries(ONCE)) {
  scenarios.push({
    name: `${name} twice`,
    rules: ["HF-10"],
    origin: (_req, res) => {
      res.setHeader(name, values);
      res.end("hello");
    },
    shows: mended("hello"),
    http2: { provokes: "uncaughtException" },
  });
}
scenarios.push(
  {
    name: "Content-Type twice through writeHead",
    rules: ["HF-10"],
    origin: (_req, res) => {
      res.writeHead(200, ["Content-Type", "text/plain", "content-type", "text/html"]);
      res.end("hello");
    },
    shows: mended("hello"),
  },
  {
    name: "no Date by sendDate",
    rules: ["MD-1"],
    origin: (_req, res) => {
      res.sendDate = false;
      res.end("hello");
    },
    shows: own("hello"),
  },
  {
    name: "no Date by removeHeader",
    rules: ["MD-1"],
    origin: (_req, res) => {
      res.setHeader("date", "x");
      res.removeHeader("date");
      res.sendDate = false;
      res.writeHead(404);
      res.end("hello");
    },
    shows: own("hello", { status: 404 }),
  },
  {
    name: "an empty Date",
    rules: ["MD-1", "HF-13"],
    origin: (_req, res) => {
      res.setHeader("date", "");
      res.end("hello");
    },
    shows: mended("hello"),
  },
);

export default group("fields: size and singletons", scenarios);
