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

/** `src/http`; a file that is in no room is one by itself. */
function roomOf(file: string): string {
  const [folder = "", room = "", ...rest] = file.split("/");
  return folder === "adapters" ? folder : rest.length === 0 ? file : `${folder}/${room}`;
}

/**
 * The rooms that each room imports. Most import what stands above them alone; where one still looks down, that may be
 * struck from its line, and none be added.
 */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  "src/http": [],
  "src/parser": ["src/http"],
  "src/testing": ["src/http", "src/parser"],
  "src/clock.ts": [],
  "src/errors.ts": [],
  "src/containment.ts": [],
  "src/node-http.ts": [],
  "src/shared.ts": [],
  "src/weak-collection.ts": ["src/containment.ts"],
  "src/weak-interval.ts": [],
  "src/working-directory.ts": [],
  "src/override-method.ts": [],
  "src/stack.ts": [],
  "src/option-checks.ts": ["src/errors.ts", "src/report"],
  "src/fallback": ["src/cloudflare", "src/exchange", "src/http", "src/report"],
  "src/validity": ["src/http", "src/report"],
  "src/trust": ["src/cloudflare", "src/errors.ts", "src/http", "src/option-checks.ts"],
  "src/cloudflare": ["src/errors.ts", "src/exchange", "src/trust"],
  "src/options": [
    "src/cloudflare",
    "src/errors.ts",
    "src/fallback",
    "src/health",
    "src/option-checks.ts",
    "src/overload",
    "src/recorder",
    "src/report",
    "src/shutdown",
    "src/trust",
    "src/watchdog",
  ],
  "src/report": [
    "src/cloudflare",
    "src/containment.ts",
    "src/errors.ts",
    "src/exchange",
    "src/http",
    "src/http1",
    "src/options",
    "src/recorder",
    "src/trust",
    "src/validity",
  ],
  "src/exchange": [
    "src/cloudflare",
    "src/containment.ts",
    "src/errors.ts",
    "src/fallback",
    "src/http",
    "src/option-checks.ts",
    "src/options",
    "src/report",
    "src/shared.ts",
    "src/trust",
  ],
  "src/overload": [
    "src/containment.ts",
    "src/exchange",
    "src/http",
    "src/option-checks.ts",
    "src/report",
    "src/shared.ts",
    "src/weak-interval.ts",
  ],
  "src/http1": [
    "src/cloudflare",
    "src/containment.ts",
    "src/exchange",
    "src/fallback",
    "src/http",
    "src/node-http.ts",
    "src/options",
    "src/overload",
    "src/parser",
    "src/override-method.ts",
    "src/report",
    "src/shared.ts",
    "src/stack.ts",
    "src/trust",
    "src/validity",
  ],
  "src/http2": [
    "src/containment.ts",
    "src/exchange",
    "src/fallback",
    "src/http",
    "src/http1",
    "src/options",
    "src/override-method.ts",
    "src/report",
    "src/shared.ts",
    "src/trust",
    "src/validity",
  ],
  "src/simulated": [
    "src/containment.ts",
    "src/exchange",
    "src/fallback",
    "src/http",
    "src/http1",
    "src/options",
    "src/report",
    "src/trust",
  ],
  "src/watchdog": ["src/containment.ts", "src/fallback", "src/option-checks.ts", "src/report"],
  "src/recorder": [
    "src/cloudflare",
    "src/containment.ts",
    "src/exchange",
    "src/fallback",
    "src/kept",
    "src/option-checks.ts",
    "src/report",
  ],
  "src/health": ["src/containment.ts", "src/errors.ts", "src/fallback", "src/option-checks.ts"],
  "src/shutdown": [
    "src/containment.ts",
    "src/errors.ts",
    "src/exchange",
    "src/http1",
    "src/kept",
    "src/option-checks.ts",
    "src/override-method.ts",
    "src/report",
    "src/weak-collection.ts",
  ],
  "src/server": [
    "src/cloudflare",
    "src/containment.ts",
    "src/errors.ts",
    "src/exchange",
    "src/fallback",
    "src/health",
    "src/http1",
    "src/http2",
    "src/node-http.ts",
    "src/options",
    "src/overload",
    "src/recorder",
    "src/report",
    "src/shared.ts",
    "src/shutdown",
    "src/simulated",
    "src/supervisor.ts",
    "src/trust",
    "src/weak-collection.ts",
  ],
  "src/supervisor.ts": [
    "src/exchange",
    "src/fallback",
    "src/kept",
    "src/options",
    "src/recorder",
    "src/report",
    "src/trust",
  ],
  "src/pass-through.ts": [
    "src/exchange",
    "src/health",
    "src/report",
    "src/shared.ts",
    "src/supervisor.ts",
    "src/trust",
  ],
  "src/guard.ts": ["src/exchange", "src/health", "src/report", "src/shutdown"],
  "src/adapter-guard.ts": [
    "src/exchange",
    "src/guard.ts",
    "src/options",
    "src/overload",
    "src/pass-through.ts",
    "src/report",
    "src/server",
    "src/shutdown",
  ],
  "src/guard-parts.ts": [
    "src/guard.ts",
    "src/health",
    "src/options",
    "src/overload",
    "src/pass-through.ts",
    "src/report",
    "src/server",
    "src/supervisor.ts",
    "src/watchdog",
  ],
  "src/guard-core.ts": [
    "src/adapter-guard.ts",
    "src/errors.ts",
    "src/exchange",
    "src/guard.ts",
    "src/guard-parts.ts",
    "src/http1",
    "src/http2",
    "src/node-http.ts",
    "src/options",
    "src/overload",
    "src/report",
    "src/server",
    "src/shutdown",
  ],
  "src/kept": [
    "src/containment.ts",
    "src/exchange",
    "src/fallback",
    "src/guard-core.ts",
    "src/http1",
    "src/overload",
    "src/override-method.ts",
    "src/recorder",
    "src/report",
    "src/server",
    "src/shared.ts",
    "src/watchdog",
    "src/working-directory.ts",
  ],
  "src/index.ts": [
    "src/cloudflare",
    "src/errors.ts",
    "src/exchange",
    "src/fallback",
    "src/guard-core.ts",
    "src/guard.ts",
    "src/health",
    "src/options",
    "src/overload",
    "src/recorder",
    "src/report",
    "src/shutdown",
    "src/trust",
    "src/watchdog",
  ],
  "src/internals.ts": [
    "src/adapter-guard.ts",
    "src/cloudflare",
    "src/containment.ts",
    "src/exchange",
    "src/fallback",
    "src/guard-core.ts",
    "src/http",
    "src/http1",
    "src/node-http.ts",
    "src/report",
    "src/server",
  ],
  "src/register": [
    "src/containment.ts",
    "src/errors.ts",
    "src/guard-core.ts",
    "src/node-http.ts",
    "src/options",
    "src/override-method.ts",
    "src/report",
    "src/server",
    "src/shared.ts",
    "src/working-directory.ts",
  ],
  "src/register.ts": ["src/errors.ts", "src/kept", "src/register", "src/shared.ts"],
  "src/telemetry": ["src/errors.ts", "src/exchange", "src/guard.ts", "src/report"],
  "src/keeper": [
    "src/cloudflare",
    "src/containment.ts",
    "src/errors.ts",
    "src/fallback",
    "src/kept",
    "src/node-http.ts",
    "src/recorder",
    "src/report",
    "src/shutdown",
    "src/shared.ts",
  ],
  "src/cli": [
    "src/cloudflare",
    "src/errors.ts",
    "src/http",
    "src/keeper",
    "src/parser",
    "src/recorder",
    "src/report",
    "src/testing",
    "src/validity",
  ],
  adapters: ["src/index.ts", "src/internals.ts"],
};

const GLOBAL_CLOCK = /(?<![.\w])(?:(?:set|clear)(?:Timeout|Interval|Immediate)\b|performance\.)/;
const CLOCK = "src/clock.ts";

/** The floors of `src/http1`, the lowest first: a folder imports none that stands beside it or above. */
const HTTP1_FLOORS = [["node"], ["connection", "message"], ["exchange"], ["methods"], ["server"]];

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

  it("is of node:http only what is no value, but in one place (src/node-http.ts)", () => {
    const users = [...imports.keys()].filter((file) => {
      const text = readFileSync(path.join(root, file), "utf8").replace(COMMENT, "");
      return /^(?:import|export)\s(?!type\s)[^;"]*?\sfrom\s"(?:node:)?http"/m.test(text);
    });
    expect(users).toEqual([]);
  });

  it("is the clock of Node, where one is looked at in the process of an app", () => {
    const others = [...imports.keys()].filter((file) => {
      if (file === CLOCK || /^src\/(?:cli|keeper)\//.test(file)) return false;
      const text = readFileSync(path.join(root, file), "utf8");
      const code = text.replace(COMMENT, "").replace(/^import [^;]*;/gm, "");
      const isOwn = text.includes('clock.js"') || text.includes('"node:timers/promises"');
      return /\bprocess\.nextTick\b/.test(code) || (!isOwn && GLOBAL_CLOCK.test(code));
    });
    expect(others).toEqual([]);
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

  it("leads down from floor to floor in src/http1", () => {
    const floorOf = (file: string) => {
      const folder = /^src\/http1\/(\w+)\//.exec(file)?.[1] ?? "";
      return HTTP1_FLOORS.findIndex((folders) => folders.includes(folder));
    };
    const files = [...imports].filter(([file]) => file.startsWith("src/http1/"));
    expect(files.filter(([file]) => floorOf(file) === -1)).toEqual([]);
    const others = files.flatMap(([file, names]) =>
      names
        .filter((name) => name.startsWith("src/http1/") && path.dirname(name) !== path.dirname(file))
        .filter((name) => floorOf(name) >= floorOf(file))
        .map((name) => `${file} -> ${name}`),
    );
    expect(others).toEqual([]);
  });

  it("leads in no circle", () => {
    expect(circles()).toEqual([]);
  });
});

/** Whether it is a file of the package; the clock, which every room has, is Node's own. */
function isFile(name: string): boolean {
  return /^(?:src|adapters)\//.test(name) && name !== CLOCK;
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
