import { fallbackWith, fault, group, mended, own, type Scenario } from "../scenario.js";

const scenarios: Scenario[] = [];

scenarios.push(
  {
    name: "fields of the lost content do not describe the fallback",
    origin: (_req, res) => {
      res.writeHead(200, {
        "content-type": "image/png",
        "content-encoding": "gzip",
        "content-range": "bytes 0-9998/9999",
        "content-disposition": "attachment",
        "content-language": "de",
        "content-location": "/secret",
        "cache-control": "public, max-age=31536000",
        etag: '"lost"',
        "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT",
        expires: "Thu, 01 Jan 2037 00:00:00 GMT",
        "accept-ranges": "bytes",
        trailer: "x-sum",
      });
      res.destroy();
    },
    shows: fallbackWith({
      "content-encoding": null,
      "content-range": null,
      "content-disposition": null,
      "content-language": null,
      "content-location": null,
      etag: null,
      "last-modified": null,
      expires: null,
      "accept-ranges": null,
      trailer: null,
      "cache-control": /no-store/,
    }),
  },
  {
    name: "CORS, Vary, security fields and the request id stay on the fallback",
    origin: (_req, res) => {
      res.setHeader("access-control-allow-origin", "https://app.example");
      res.setHeader("access-control-allow-credentials", "true");
      res.setHeader("vary", "Origin");
      res.setHeader("strict-transport-security", "max-age=63072000");
      res.setHeader("x-content-type-options", "nosniff");
      res.setHeader("x-request-id", "r-1");
      res.destroy();
    },
    shows: fallbackWith({
      "access-control-allow-origin": "https://app.example",
      "access-control-allow-credentials": "true",
      vary: /Origin/i,
      "strict-transport-security": "max-age=63072000",
      "x-content-type-options": "nosniff",
      "x-request-id": "r-1",
    }),
  },
);

/** Values that JavaScript turns into text nobody meant. */
const NONSENSE: Record<string, unknown> = {
  null: null,
  NaN: Number.NaN,
  "an object": {},
  "a list with null": ["a", null],
};
for (const [what, value] of Object.entries(NONSENSE)) {
  scenarios.push({
    name: `${what} as a value`,
    rules: ["HF-17"],
    origin: (_req, res) => {
      res.setHeader("x-y", value);
      res.end("hello");
    },
    shows: mended("hello"),
    also: ([first]) => !/null|NaN|object/.test(first?.fieldLines("x-y").join() ?? "") || "nonsense stands in the value",
  });
}

/** Values that look odd and are legal: nothing may change. */
const LEGAL: Record<string, [string, unknown]> = {
  "an empty value": ["x-y", ""],
  "a tab in a value": ["x-y", "a\tb"],
  "a Latin-1 value": ["x-y", "é"],
  "a number": ["x-y", 5],
  true: ["x-y", true],
  "a list of values": ["x-y", ["a", "b"]],
  "an empty list": ["x-y", []],
  "ten cookies": ["set-cookie", Array.from({ length: 10 }, (_, i) => `c${i}=1; Path=/`)],
  "a value of 30 KB": ["x-y", "x".repeat(30_000)],
  "a value of 100 KB": ["x-y", "x".repeat(100_000)],
  "an odd case": ["X-oDD-cASE", "1"],
  "every token character": ["!#$%&'*+-.^_`|~09azAZ", "1"],
};
for (const [what, [name, value]] of Object.entries(LEGAL)) {
  scenarios.push({
    name: `${what} stays as it is`,
    control: true,
    // nghttp2 sends no header section of more than 64 KB.
    ...(what === "a value of 100 KB" ? { http2: { control: false, shows: fault } } : {}),
    origin: (_req, res) => {
      res.setHeader(name, value);
      res.end("hello");
    },
    shows: own("hello"),
  });
}

export default group("fields: odd and legal", scenarios);
