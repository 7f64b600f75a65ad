import { readFileSync, writeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";

const STDERR = 2;

/** With which Node marks an error that was emitted, and that nobody listened for. */
const ENHANCE = "kEnhanceStackBeforeInspector";

/**
 * Prints an uncaught exception as Node does: where it was thrown, the error with its stack, the version; and writes the
 * diagnostic report, where one is asked for. Never throws, whatever reading the error does.
 */
export function printUncaught(error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void {
  try {
    const { report } = process;
    if (report?.reportOnUncaughtException) report.writeReport(isObject(error) ? (error as Error) : undefined);
  } catch {
    // it says so itself
  }
  try {
    writeSync(STDERR, `${told(error, origin)}\n\nNode.js ${process.version}\n`);
  } catch {
    // nobody reads it
  }
}

function told(error: unknown, origin: NodeJS.UncaughtExceptionOrigin): string {
  try {
    if (!isObject(error)) {
      const text = typeof error === "symbol" ? "" : String(error);
      return `${text}\n(Use \`node --trace-uncaught ...\` to show where the exception was thrown)`;
    }
    if (!isError(error) || tellEmitter(error)) return inspect(error);
    return `${origin === "uncaughtException" ? locate(error) : ""}${inspect(error)}`;
  } catch {
    return "Uncaught:\nan exception that cannot be read";
  }
}

function isObject(value: unknown): value is object {
  return value !== null && (typeof value === "object" || typeof value === "function");
}

function isError(value: object): value is Error {
  return typeof (value as Error).stack === "string";
}

/** Has Node write into the stack of an error what it was emitted on. @returns whether it was emitted */
function tellEmitter(error: Error): boolean {
  const symbol = Object.getOwnPropertySymbols(error).find(({ description }) => description === ENHANCE);
  if (symbol === undefined) return false;
  const stack = (error as unknown as Record<symbol, () => unknown>)[symbol]?.();
  if (typeof stack === "string") Reflect.set(error, "stack", stack);
  return true;
}

/** File, line and a mark under the column, for the topmost frame of a stack. */
function locate({ stack }: Error): string {
  const frame = /^ {4}at (?:.*\()?([^()\n]+):(\d+):(\d+)\)?$/m.exec(stack ?? "");
  if (frame === null) return "";
  const [, file, line, column] = frame as unknown as [string, string, string, string];
  let source: string | undefined;
  try {
    source = readFileSync(file.startsWith("file:") ? fileURLToPath(file) : file, "utf8").split("\n")[Number(line) - 1];
  } catch {
    // a module of Node itself, or one that came from elsewhere
  }
  const shown = source === undefined ? "" : `${source}\n${" ".repeat(Number(column) - 1)}^\n`;
  return `${file}:${line}\n${shown}\n`;
}
