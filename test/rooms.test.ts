import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

const root = path.join(import.meta.dirname, "..");

/** `import`, `export … from`, `import()` and `typeof import()`, those of types included. */
const IMPORTED = /^(?:import|export)\s(?:[^;"]*?\sfrom\s)?"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;
const COMMENT = /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm;

/** Every file of the package, and what it imports: files by their path, packages by their name. */
const imports = new Map(
  ["src", "adapters"].flatMap(filesIn).map((file) => {
    const text = readFileSync(path.join(root, file), "utf8").replace(COMMENT, "");
    const names = [...text.matchAll(IMPORTED)].map(([, statement, call]) => statement ?? call ?? "");
    return [file, [...new Set(names.map((name) => (name.startsWith(".") ? fileOf(file, name) : name)))]] as const;
  }),
);

function filesIn(folder: string): string[] {
  const names = readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" });
  return names.filter((name) => name.endsWith(".ts")).map((name) => path.posix.join(folder, name));
}

function fileOf(importer: string, name: string): string {
  return path.posix.join(path.posix.dirname(importer), name).replace(/\.js$/, ".ts");
}

/** `src/http`; `src` for a file that is in no room. */
function roomOf(file: string): string {
  const [folder = "", room, ...rest] = file.split("/");
  return folder === "adapters" || rest.length === 0 ? folder : `${folder}/${room}`;
}

/**
 * The rooms that each room imports. Down to `src/validity` they import what stands above them alone; below, rooms still
 * import each other both ways: a room may be struck from a line, and none be added that leads back.
 */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  "src/http": [],
  "src/parser": ["src/http"],
  "src/testing": ["src/http", "src/parser"],
  "src/validity": ["src/http", "src"],
  "src/fallback": ["src/http"],
  "src/trust": ["src/http", "src/cloudflare", "src"],
  "src/cloudflare": ["src/trust", "src/lifecycle", "src"],
  "src/report": ["src"],
  "src/lifecycle": [
    ...["src/http", "src/cloudflare", "src/fallback", "src/intercept", "src/kept", "src/report"],
    "src",
  ],
  "src/kept": ["src/fallback", "src/intercept", "src/lifecycle", "src"],
  "src/intercept": [
    ...["src/http", "src/parser", "src/validity", "src/fallback", "src/trust", "src/cloudflare", "src/lifecycle"],
    "src",
  ],
  src: [
    ...[
      "src/http",
      "src/validity",
      "src/fallback",
      "src/trust",
      "src/cloudflare",
      "src/report",
      "src/lifecycle",
      "src/kept",
      "src/intercept",
    ],
    "src/zero-code",
  ],
  "src/zero-code": ["src/intercept", "src"],
  "src/telemetry": ["src"],
  "src/keeper": ["src/cloudflare", "src/fallback", "src/lifecycle", "src/kept", "src"],
  "src/cli": [
    ...["src/http", "src/parser", "src/testing", "src/validity", "src/cloudflare", "src/lifecycle", "src/keeper"],
    "src",
  ],
  adapters: ["src"],
};

/** Files that import each other in a circle. None may be added to a list, and one that has left is struck from it. */
const CIRCLES: readonly (readonly string[])[] = [
  inRoom("src", "exchange", "kept/kept-connection", "lifecycle/admission", "lifecycle/current-exchange"),
  inRoom("src", "incidents", "options", "validity/edge-effects"),
  inRoom("src/intercept", "accepting", "excess"),
  inRoom(
    "src/intercept",
    ...["coded-content", "connection", "content", "departure", "detached", "early-hints", "field-sections"],
    ...["hand-written", "header-section", "http1-exchange", "interim-gate", "late-answer", "peer", "piped-source"],
    ...["request", "response", "socket-error", "socket-exchange", "socket-methods", "take-over", "tear-down"],
  ),
  inRoom(
    "src/intercept",
    ...["http2-content", "http2-ending", "http2-fields", "http2-held", "http2-leaving", "http2-overrides"],
    ...["http2-pieces", "http2-refused", "http2-response", "http2-source", "http2"],
  ),
  inRoom("src/keeper", "held-connection", "keeper-log", "worker-process"),
];

function inRoom(room: string, ...names: string[]): string[] {
  return names.map((name) => `${room}/${name}.ts`);
}

describe("what files import", () => {
  it("is there", () => {
    const missing = [...imports].flatMap(([file, names]) =>
      names.filter((name) => isFile(name) && !imports.has(name)).map((name) => `${file}: ${name}`),
    );
    expect(missing).toEqual([]);
    expect(imports.size).toBeGreaterThan(200);
  });

  it("is nothing at all in src/http, not even of Node", () => {
    for (const [file, names] of imports) {
      if (roomOf(file) === "src/http")
        expect(
          names.filter((name) => !name.startsWith("src/http/")),
          file,
        ).toEqual([]);
    }
  });

  it("is the vocabulary of HTTP alone in src/parser", () => {
    for (const [file, names] of imports) {
      if (roomOf(file) !== "src/parser") continue;
      expect(
        names.filter((name) => !/^src\/(?:http|parser)\//.test(name)),
        file,
      ).toEqual([]);
    }
  });

  it("is no framework in src, and no adapter", () => {
    for (const [file, names] of imports) {
      if (!file.startsWith("src/")) continue;
      expect(
        names.filter((name) => /^(?:express|fastify|adapters)\b/.test(name)),
        file,
      ).toEqual([]);
    }
  });

  it("is the test kit only where the command line is a client", () => {
    const users = [...imports].filter(([, names]) => names.some((name) => name.startsWith("src/testing/")));
    expect([...new Set(users.map(([file]) => roomOf(file)))].toSorted()).toEqual(["src/cli", "src/testing"]);
  });

  it("leads from room to room as in the table", () => {
    const rooms = [...new Set([...imports.keys()].map(roomOf))];
    const table = rooms.map((room) => {
      const others = [...imports].flatMap(([file, names]) => (roomOf(file) === room ? names.filter(isFile) : []));
      return [room, [...new Set(others.map(roomOf))].filter((other) => other !== room).toSorted()];
    });
    const known = Object.entries(ROOMS).map(([room, others]) => [room, others.toSorted()]);
    expect(Object.fromEntries(table)).toEqual(Object.fromEntries(known));
  });

  it("leads in no circle but those that are known", () => {
    expect(circles()).toEqual(CIRCLES);
  });
});

function isFile(name: string): boolean {
  return /^(?:src|adapters)\//.test(name);
}

/** Every largest set of files of which each can be reached from each other one, by the name of its first file. */
function circles(): string[][] {
  const reached = new Map([...imports.keys()].map((file) => [file, reachedFrom(file)]));
  const found: string[][] = [];
  for (const [file, others] of reached) {
    if (!others.has(file) || found.some((files) => files.includes(file))) continue;
    found.push([...others].filter((other) => reached.get(other)?.has(file)));
  }
  return found.map((files) => files.toSorted()).toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1));
}

function reachedFrom(file: string): Set<string> {
  const reached = new Set<string>();
  const next = [file];
  for (let at = next.pop(); at !== undefined; at = next.pop()) {
    for (const name of imports.get(at) ?? []) {
      if (reached.has(name) || !imports.has(name)) continue;
      reached.add(name);
      next.push(name);
    }
  }
  return reached;
}
