import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { RayguardError } from "../errors.js";
import type { GuardOptions } from "../options/options.js";
import { workingDirectory } from "../working-directory.js";

/** What `rayguard.config.js` may hold: the options of a guard, and which servers of the program it is for. */
export interface ProgramOptions extends GuardOptions {
  /** Says of a server of `node:http`, `node:https` or `node:http2` that begins to listen whether it is guarded. @default all */
  servers?: (server: object) => boolean;
}

/** In the order in which they are looked for. */
const FILES = ["rayguard.config.js", "rayguard.config.mjs", "rayguard.config.cjs", "rayguard.config.json"];

/** Endings that somebody may expect to be read as well. */
const UNREAD = /^rayguard\.config\.(?:[cm]?ts|ya?ml|toml)$/;

const VARIABLE = "RAYGUARD_OPTIONS";

/**
 * Options for a program that does not name any: of the first `rayguard.config.{js,mjs,cjs,json}` beside the program or in
 * the working directory, with those of the variable `RAYGUARD_OPTIONS` (JSON) in front.
 * @param program - path of the file that Node runs; undefined where it runs none
 * @throws {RayguardError} `ERR_RAYGUARD_CONFIGURATION`
 */
export function readConfiguration(program: string | undefined, environment: NodeJS.ProcessEnv): ProgramOptions {
  const folders = [program === undefined ? undefined : dirname(resolve(program)), workingDirectory()].filter(
    (folder) => folder !== undefined,
  );
  const file = folders.flatMap((folder) => FILES.map((name) => join(folder, name))).find((path) => existsSync(path));
  if (file === undefined) for (const folder of folders) refuseUnread(folder);
  const text = environment[VARIABLE];
  const ofFile = file === undefined ? {} : readFile(file);
  return text === undefined || text === "" ? ofFile : { ...ofFile, ...fromText(text, VARIABLE) };
}

/** Options that nobody reads would be missed without a word. */
function refuseUnread(folder: string): void {
  let names: string[] = [];
  try {
    names = readdirSync(folder);
  } catch {
    // a program may be where only its name can be read
  }
  const unread = names.find((name) => UNREAD.test(name));
  if (unread === undefined) return;
  const told = `${join(folder, unread)} is not read. Known names: ${FILES.join(", ")}.`;
  throw new RayguardError("ERR_RAYGUARD_CONFIGURATION", told);
}

function readFile(file: string): ProgramOptions {
  if (file.endsWith(".json")) return fromText(readFileSync(file, "utf8"), file);
  let exported: unknown;
  try {
    exported = createRequire(file)(file);
  } catch (cause) {
    throw unreadable(file, cause);
  }
  const { default: own = exported } = Object(exported) as { default?: unknown };
  return checked(own, file);
}

function fromText(text: string, where: string): ProgramOptions {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw unreadable(where, cause);
  }
  return checked(value, where);
}

function checked(value: unknown, where: string): ProgramOptions {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const got = value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
    throw new RayguardError(
      "ERR_RAYGUARD_CONFIGURATION",
      `${where} must hold an object with options of rayguard; got ${got}.`,
    );
  }
  return value;
}

function unreadable(where: string, cause: unknown): RayguardError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const isAsync = (cause as { code?: unknown } | null)?.code === "ERR_REQUIRE_ASYNC_MODULE";
  const advice = isAsync ? " It is read before the program starts, so it cannot await anything at its top." : "";
  return new RayguardError("ERR_RAYGUARD_CONFIGURATION", `${where} cannot be read: ${why}${advice}`, { cause });
}
