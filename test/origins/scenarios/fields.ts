import { group, own, type Scenario, thrown } from "../scenario.js";

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
      http2: { provokes: "uncaughtException" },
    },
    {
      name: `${what} by writeHead`,
      rules,
      origin: (_req, res) => {
        res.writeHead(200, [name, value]);
        res.end("hello");
      },
      shows: [thrown, own("hello")],
      http2: { provokes: "uncaughtException" },
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
    http2: { provokes: "uncaughtException" },
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

export default group("fields", scenarios);
