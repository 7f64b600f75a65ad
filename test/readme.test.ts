import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { ERROR_CODES } from "../src/errors.js";
import { HEALTH_DEFAULTS } from "../src/health.js";
import { EVENTS } from "../src/incidents.js";
import { WATCHDOG_DEFAULTS } from "../src/lifecycle/watchdog-options.js";
import { DEFAULTS, resolveOptions } from "../src/options.js";

const root = join(import.meta.dirname, "..");
const readme = join(root, "README.md");

/** Rewrites the generated tables instead of comparing them. */
const updates = process.env.UPDATE_README !== undefined;

let text: string;

beforeAll(async () => {
  text = await readFile(readme, "utf8");
});

const MARKED = (name: string) => new RegExp(`(<!-- ${name}: [^>]*-->\n)([^]*?)(<!-- /${name} -->)`);

async function check(name: string, table: string): Promise<void> {
  if (updates) {
    text = text.replace(MARKED(name), (_all, open: string, _old: string, close: string) => `${open}${table}\n${close}`);
    await writeFile(readme, text);
  }
  expect(MARKED(name).exec(text)?.[2]?.trim()).toBe(table);
}

const row = (...cells: string[]) => `| ${cells.join(" | ")} |`;

/** Rows of the table that `npm start` prints, by framework: cause, bare, guarded, incident. */
async function survey(): Promise<Map<string, string[][]>> {
  const args = ["--import", "tsx", "playground/start.ts", "--once", "--no-workerd"];
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

describe("README.md", () => {
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
    await check(
      "failures",
      [row("failure", `bare (${names.join(" / ")})`, "guarded", "code"), "|---|---|---|---|", ...rows].join("\n"),
    );
  }, 120_000);

  it("states every option with its default", () => {
    const rows = [...(MARKED("options").exec(text)?.[2] ?? "").matchAll(/^\| `(\w+)` \| (.*?) \|/gm)];
    const stated = new Map(rows.map(([, name, value]) => [name, value]));
    const settings = resolveOptions();
    const numbers = Object.entries(settings).filter(([, value]) => typeof value === "number");
    for (const [name, value] of numbers) expect(stated.get(name), name).toBe(`\`${String(value)}\``);
    expect(stated.get("heartbeatMs")).toBe("`false`");
    for (const name of ["edge", "mode", "gatewayStatus", "trust", "direct", "crash", "unsupportedRuntime"] as const) {
      expect(stated.get(name), name).toBe(`\`"${DEFAULTS[name]}"\``);
    }
    expect(stated.get("watchdog")).toBe(`\`${DEFAULTS.watchdog}\``);
    const { port, host, thresholdMs } = WATCHDOG_DEFAULTS;
    expect(text).toContain(`{ port: ${port}, host: "${host}", thresholdMs: ${thresholdMs} }`);
    expect(stated.get("health")).toBe('`{ "path": "/health" }`');
    expect(HEALTH_DEFAULTS.path).toBe("/health");
    expect(JSON.parse((stated.get("shutdown") ?? "").replaceAll("`", ""))).toEqual(DEFAULTS.shutdown);
    expect([...stated.keys()].sort()).toEqual(Object.keys(settings).sort());
  });

  it("explains every code of an incident that is no rule", async () => {
    const rows = Object.entries(EVENTS).map(([code, sentence]) => row(`\`${code}\``, sentence));
    await check("events", [row("code", "meaning"), "|---|---|", ...rows].join("\n"));
  });

  it("explains every code of an error", async () => {
    const rows = Object.entries(ERROR_CODES).map(([code, meaning]) => row(`\`${code}\``, meaning));
    await check("errors", [row("code", "when"), "|---|---|", ...rows].join("\n"));
  });
});
