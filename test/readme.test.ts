import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { EDGE_PROFILES } from "../src/cloudflare/edge.js";
import { ERROR_CODES } from "../src/errors.js";
import { HEALTH_DEFAULTS } from "../src/health/health-options.js";
import { DEFAULTS, resolveOptions } from "../src/options/options.js";
import { EVENTS } from "../src/report/events.js";
import { WATCHDOG_DEFAULTS } from "../src/watchdog/watchdog-options.js";
import { expectMarked, markedPart } from "./helpers/marked.js";

const root = join(import.meta.dirname, "..");
const README = "README.md";
const FAILURES = "docs/reference/failures.md";
const OPTIONS = "docs/reference/options.md";
const CODES = "docs/reference/codes.md";

const row = (...cells: string[]) => `| ${cells.join(" | ")} |`;

/** Rows of the table that `npm start` prints, by framework: cause, bare, guarded, incident. */
async function survey(): Promise<Map<string, string[][]>> {
  const args = ["--import", "tsx", "playground/start.ts", "--once", "--no-workerd", "--no-deaths"];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
  const tables = new Map<string, string[][]>();
  let current: string[][] | undefined;
  for (const line of stdout.split("\n")) {
    const cells = line.trim().split(/ {2,}/);
    const heading = /^(\w+): cause$/.exec(cells[0] ?? "");
    if (heading !== null) {
      current = [];
      tables.set(heading[1] as string, current);
    } else if (cells.length !== 4) current = line.startsWith("-") ? current : undefined;
    else if (!line.startsWith("-")) current?.push(cells);
  }
  return tables;
}

/** Options of a table, with the defaults it states. */
function statedOptions(file: string, name: string): Map<string, string> {
  const rows = markedPart(file, name).matchAll(/^\| `(\w+)` \| (.*?) \|/gm);
  return new Map([...rows].map(([, option = "", value = ""]) => [option, value]));
}

/** Rows of a table between its marks, by their first cells. */
function rowsOf(file: string, name: string): Map<string, string> {
  const [, , ...rows] = markedPart(file, name).split("\n");
  return new Map(rows.map((text) => [text.split(" | ", 1)[0] as string, text]));
}

describe(FAILURES, () => {
  it("shows for each failure what a strict client receives today", async () => {
    const [first, second] = (await survey()).entries();
    const [names, [express = [], fastify = []]] = [
      [first?.[0], second?.[0]],
      [first?.[1], second?.[1]],
    ];
    expect(express.length).toBeGreaterThan(15);
    expect(fastify.map(([cause]) => cause)).toEqual(express.map(([cause]) => cause));
    const both = (a = "", b = "") => (a === b ? a : `${a} / ${b}`);
    const rows = express.map(([cause = "", bare, guarded, code], i) => {
      const other = fastify[i] as string[];
      return row(cause, both(bare, other[1]), both(guarded, other[2]), both(code, other[3]));
    });
    expectMarked(
      FAILURES,
      "failures",
      [row("failure", `bare (${names.join(" / ")})`, "guarded", "code"), "|---|---|---|---|", ...rows].join("\n"),
    );
  }, 120_000);
});

describe(README, () => {
  it("shows some of the failures as the page of all has them, and the one that cannot be repaired", () => {
    const all = rowsOf(FAILURES, "failures");
    const some = [...rowsOf(README, "failures").keys()];
    expect(some.length).toBeGreaterThan(9);
    expect(some.at(-1)).toBe([...all.keys()].at(-1));
    const [head, line] = markedPart(FAILURES, "failures").split("\n");
    expectMarked(README, "failures", [head, line, ...some.map((name) => all.get(name) ?? `${name}: ?`)].join("\n"));
  });

  it("states of ten options the defaults that the table of all has", () => {
    const all = statedOptions(OPTIONS, "options");
    const ten = statedOptions(README, "ten");
    expect(ten.size).toBe(10);
    for (const [name, value] of ten) expect(value, name).toBe(all.get(name));
  });
});

describe(OPTIONS, () => {
  it("states every option with its default", () => {
    const stated = statedOptions(OPTIONS, "options");
    const settings = resolveOptions();
    const numbers = Object.entries(settings).filter(([, value]) => typeof value === "number");
    for (const [name, value] of numbers) expect(stated.get(name), name).toBe(`\`${String(value)}\``);
    expect(stated.get("heartbeatMs")).toBe("`false`");
    for (const name of ["edge", "mode", "gatewayStatus", "trust", "direct", "crash", "unsupportedRuntime"] as const) {
      expect(stated.get(name), name).toBe(`\`"${DEFAULTS[name]}"\``);
    }
    expect(stated.get("watchdog")).toBe(`\`${DEFAULTS.watchdog}\``);
    const { port, host, thresholdMs } = WATCHDOG_DEFAULTS;
    expect(markedPart(OPTIONS, "options")).toContain(`{ port: ${port}, host: "${host}", thresholdMs: ${thresholdMs} }`);
    expect(stated.get("health")).toBe('`{ "path": "/health" }`');
    expect(HEALTH_DEFAULTS.path).toBe("/health");
    expect(JSON.parse((stated.get("shutdown") ?? "").replaceAll("`", ""))).toEqual(DEFAULTS.shutdown);
    expect([...stated.keys()].sort()).toEqual(Object.keys(settings).sort());
  });
});

it("the page of options has the numbers of each edge", () => {
  const rows = markedPart(OPTIONS, "edge").matchAll(/^\| `(\w+)` \| `(\d+)` \| `(\d+)` \|/gm);
  const stated = [...rows].map(([, name, ...numbers]) => [name, ...numbers.map(Number)]);
  const { cloudflare, cloudflared } = EDGE_PROFILES;
  expect(Object.keys(EDGE_PROFILES)).toEqual(["cloudflare", "cloudflared"]);
  expect(stated).toEqual(
    Object.entries(cloudflare).map(([name, value]) => [name, value, cloudflared[name as keyof typeof cloudflared]]),
  );
});

describe(CODES, () => {
  it("explains every code of an incident that is no rule", () => {
    const rows = Object.entries(EVENTS).map(([code, sentence]) => row(`\`${code}\``, sentence));
    expectMarked(CODES, "events", [row("code", "meaning"), "|---|---|", ...rows].join("\n"));
  });

  it("explains every code of an error", () => {
    const rows = Object.entries(ERROR_CODES).map(([code, meaning]) => row(`\`${code}\``, meaning));
    expectMarked(CODES, "errors", [row("code", "when"), "|---|---|", ...rows].join("\n"));
  });
});
