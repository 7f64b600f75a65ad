import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { lastingPort } from "../../playground/process/lasting-port.js";
import { exchange } from "../../src/testing/index.js";
import { ROOT, textOf } from "./documents.js";

export const PAGE = "docs/guides/recipes.md";

export const COMMAND = join(ROOT, "dist/src/cli/main.js");

/** Where `.ci/run` has put packages that only recipes need. */
const EXTRA = join(ROOT, ".ci/runtimes/node_modules");

/** A part of the page, by its heading. */
export interface Recipe {
  readonly name: string;
  readonly text: string;
  /** What is asked for, and what comes: status and code. */
  readonly path: string;
  readonly status: number;
  readonly code: string;
}

export const RECIPES: readonly Recipe[] = textOf(PAGE)
  .split(/^###? /m)
  .slice(1)
  .flatMap((text) => {
    const [, path, status, code = ""] = /`GET ([^`]+)`: (\d{3}), `([\w-]+)`/.exec(text) ?? [];
    return path === undefined ? [] : [{ name: text.split("\n")[0] ?? "", text, path, status: Number(status), code }];
  });

export function recipe(name: string): Recipe {
  const found = RECIPES.find((each) => each.name === name);
  if (found === undefined) throw new Error(`${PAGE} has no recipe ${name}`);
  return found;
}

/** The blocks of code of a recipe in a language. */
export function blocks({ text }: Recipe, language: string): string[] {
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(([, of]) => of === language)
    .map(([, , code = ""]) => code);
}

/** Why a program cannot be run here: packages that are not here are tried where somebody has installed them. */
export function skipped(program: string): string {
  const from = createRequire(join(import.meta.dirname, "recipe-programs.ts"));
  const names = [...program.matchAll(/ from "([^".][^"]*)"/g)].map(([, name = ""]) => packageOf(name));
  const missing = names.filter((name) => {
    if (name.startsWith("node:") || name === "rayguard") return false;
    return ![EXTRA, ...(from.resolve.paths(name) ?? [])].some((each) => existsSync(join(each, name)));
  });
  return missing.length === 0 ? "" : ` (skipped: .ci/run installs ${[...new Set(missing)].join(", ")})`;
}

function packageOf(name: string): string {
  return name
    .split("/")
    .slice(0, name.startsWith("@") ? 2 : 1)
    .join("/");
}

/** A folder for the programs of a test. It is inside the project, so that they find their packages. */
export function programFolder(): { readonly path: string } {
  const folder = { path: "" };
  beforeAll(() => {
    folder.path = mkdtempSync(join(import.meta.dirname, ".program-"));
    if (existsSync(EXTRA)) symlinkSync(EXTRA, join(folder.path, "node_modules"));
  });
  afterAll(() => rmSync(folder.path, { recursive: true }));
  return folder;
}

/**
 * Starts a command line in which `{program}` stands for the file of a program, and `{port}` for its port.
 * @returns the port it listens at, what it logs, and what ends it
 */
export async function start(
  folder: string,
  commandLine: readonly string[],
  { program = "", extension = "mjs", env = {} }: { program?: string; extension?: string; env?: NodeJS.ProcessEnv } = {},
) {
  const port = await lastingPort();
  const file = join(folder, `server-${port}.${extension}`);
  if (program !== "") writeFileSync(file, program.replace(/\b3000\b/, String(port)));
  const [command = "", ...args] = commandLine.map((word) =>
    word.replace("{program}", file).replace("{port}", String(port)),
  );
  const child = spawn(command, args, {
    cwd: folder,
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, NODE_ENV: "production", ...env },
  });
  let log = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    log += chunk;
  });
  return {
    port,
    child,
    log: () => log,
    async end() {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "close");
    },
  };
}

/** A complete valid response, or nothing. */
export async function ask(port: number, path: string) {
  const { responses, valid } = await exchange(
    { port },
    // Apollo refuses a GET without it.
    { path: path.replace(/[{}]/g, encodeURIComponent), headers: { "Apollo-Require-Preflight": "yes" } },
  );
  return valid ? { status: responses[0]?.status, text: responses[0]?.text() } : undefined;
}
