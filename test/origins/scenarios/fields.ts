import { fault, group, type Misused, mended, own, replaced, type Scenario, thrown } from "../scenario.js";

const hostile = (message = "secret cause") => ({
  toString() {
    throw new Error(message);
  },
});

/** Names and values that Node or HTTP refuses. */
const REFUSED: Record<string, { name: unknown; value: unknown; rules: string[] }> = {
  "a name with a space": { name: "bad name", value: "1", rules: ["HF-1"] },
  "an empty name": { name: "", value: "1", rules: ["HF-1"] },
  "a name with a colon": { name: "x:y", value: "1", rules: ["HF-2"] },
  "a name with a trailing space": { name: "x-y ", value: "1", rules: ["HF-2"] },
  "a name with CR LF": { name: "x-y\r\nx-z", value: "1", rules: ["HF-1"] },
  "a name outside ASCII": { name: "x-ключ", value: "1", rules: ["HF-1"] },
  "a name that is undefined": { name: undefined, value: "1", rules: ["HF-1"] },
  "a name that is a symbol": { name: Symbol("secret"), value: "1", rules: ["HF-1"] },
  "a name that is a number": { name: 5, value: "1", rules: ["HF-1"] },
  "a value with CR LF": { name: "x-y", value: "a\r\nset-cookie: stolen=1", rules: ["HF-3"] },
  "a value with a bare LF": { name: "x-y", value: "a\nb", rules: ["HF-3"] },
  "a value with a bare CR": { name: "x-y", value: "a\rb", rules: ["HF-3"] },
  "a value with NUL": { name: "x-y", value: "a\0b", rules: ["HF-3"] },
  "a value with ESC": { name: "x-y", value: "a\x1b[31mb", rules: ["HF-4"] },
  "a value with DEL": { name: "x-y", value: "a\x7fb", rules: ["HF-4"] },
  "a folded value": { name: "x-y", value: "a\r\n b", rules: ["HF-5"] },
  "a value outside Latin-1": { name: "x-y", value: "日本語", rules: ["HF-8"] },
  "a value with emoji": { name: "x-y", value: "👍", rules: ["HF-8"] },
  "a value that is undefined": { name: "x-y", value: undefined, rules: ["HF-17"] },
  "a value that is a symbol": { name: "x-y", value: Symbol("secret"), rules: ["HF-17"] },
  "a value that throws": { name: "x-y", value: hostile(), rules: ["HF-17"] },
  "a list with a bad value": { name: "x-y", value: ["a", "b\r\nc"], rules: ["HF-3"] },
  "a list with undefined": { name: "x-y", value: ["a", undefined], rules: ["HF-17"] },
  "a location outside Latin-1": { name: "location", value: "/日本語", rules: ["MD-13", "HF-8"] },
  "a file name with a line break": {
    name: "content-disposition",
    value: 'attachment; filename="a\nb.txt"',
    rules: ["HF-3"],
  },
  "a cookie with a line break": { name: "set-cookie", value: "a=1\nb=2", rules: ["HF-3"] },
};

const scenarios: Scenario[] = [];
for (const [what, { name, value, rules }] of Object.entries(REFUSED)) {
  scenarios.push(
    {
      name: `${what} by setHeader`,
      rules,
      origin: (_req, res) => {
        res.setHeader(name, value);
        res.end("hello");
      },
      shows: [thrown, own("hello")],
    },
    {
      name: `${what} by writeHead`,
      rules,
      origin: (_req, res) => {
        res.writeHead(200, [name, value]);
        res.end("hello");
      },
      shows: [thrown, own("hello")],
    },
  );
}

/** Values that pass the check and are something else when the head is rendered. */
const CHANGING: Record<string, () => { value: unknown; spoil: () => void }> = {
  "an array that changes after setHeader": () => {
    const value = ["a"];
    return { value, spoil: () => void value.splice(0, 1, "a\r\nset-cookie: stolen=1") };
  },
  "an array that gets NUL after setHeader": () => {
    const value = ["a"];
    return { value, spoil: () => void value.push("b\0") };
  },
  "an array that gets a symbol after setHeader": () => {
    const value: unknown[] = ["a"];
    return { value, spoil: () => void value.push(Symbol("secret")) };
  },
  "an object whose text changes": () => {
    let text = "a";
    return {
      value: { toString: () => text },
      spoil: () => {
        text = "a\r\n\r\nhttp/1.1 200 stolen";
      },
    };
  },
  "an object whose text throws when rendered": () => {
    let spoilt = false;
    return {
      value: {
        toString() {
          if (spoilt) throw new Error("secret cause");
          return "a";
        },
      },
      spoil: () => {
        spoilt = true;
      },
    };
  },
  "an object whose text grows to 200 KB": () => {
    let text = "a";
    return {
      value: { toString: () => text },
      spoil: () => {
        text = "x".repeat(200_000);
      },
    };
  },
};
for (const [what, make] of Object.entries(CHANGING)) {
  scenarios.push({
    name: what,
    rules: ["HF-3"],
    origin: (_req, res) => {
      const { value, spoil } = make();
      res.setHeader("x-y", value);
      spoil();
      res.end("hello");
    },
    shows: [thrown, own("hello")],
    also: ([first]) => first?.field("set-cookie") === undefined || "an injected field went out",
  });
}
scenarios.push(
  {
    name: "fields whose getter throws in writeHead",
    origin: (_req, res) => {
      res.writeHead(200, {
        get "x-y"() {
          throw new Error("secret cause");
        },
      });
    },
    shows: thrown,
  },
  {
    name: "fields that are a proxy that throws",
    origin: (_req, res) => {
      res.writeHead(
        200,
        new Proxy(
          {},
          {
            ownKeys() {
              throw new Error("secret cause");
            },
          },
        ),
      );
    },
    shows: thrown,
  },
  {
    name: "setHeaders with something that is no map",
    origin: (_req, res) => res.setHeaders({ "x-y": "1" }),
    shows: thrown,
  },
  {
    name: "writeHead with an array of odd length",
    rules: ["HF-1"],
    origin: (_req, res) => {
      res.writeHead(200, ["x-y"]);
      res.end("hello");
    },
    shows: [thrown, own("hello")],
  },
);

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
  {
    name: "fields of the lost content do not describe the fallback",
    origin: (_req, res) => {
      res.writeHead(200, {
        "content-type": "image/png",
        "content-length": 9999,
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
    shows: {
      ...replaced(500),
      fields: {
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
      },
    } as never,
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
    shows: {
      ...replaced(500),
      fields: {
        "access-control-allow-origin": "https://app.example",
        "access-control-allow-credentials": "true",
        vary: /Origin/i,
        "strict-transport-security": "max-age=63072000",
        "x-content-type-options": "nosniff",
        "x-request-id": "r-1",
      },
    } as never,
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
    origin: (_req, res) => {
      res.setHeader(name, value);
      res.end("hello");
    },
    shows: own("hello"),
  });
}

export default group("fields", scenarios);
