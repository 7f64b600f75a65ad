import { readFileSync, writeSync } from "node:fs";
import { inspect } from "node:util";

const STDERR = 2;

/**
 * Prints an uncaught exception as Node does: where it was thrown, the error with its stack, the version. Never throws,
 * whatever reading the error does.
 */
export function printUncaught(error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void {
  try {
    writeSync(STDERR, `${told(error, origin)}\nNode.js ${process.version}\n`);
  } catch {
    // nobody reads it
  }
}

function told(error: unknown, origin: NodeJS.UncaughtExceptionOrigin): string {
  try {
    if (isError(error)) return `${origin === "uncaughtException" ? locate(error) : ""}${inspect(error)}\n`;
    return `Uncaught:\n${inspect(error)}\n(Use \`node --trace-uncaught ...\` to show where the exception was thrown)\n`;
  } catch {
    return "Uncaught:\nan exception that cannot be read\n";
  }
}

function isError(value: unknown): value is Error {
  return value !== null && typeof value === "object" && typeof (value as Error).stack === "string";
}

/** File, line and a mark under the column, for the topmost frame of a stack. */
function locate({ stack }: Error): string {
  const frame = /^ {4}at (?:.*\()?(?:file:\/\/)?([^()\n]+):(\d+):(\d+)\)?$/m.exec(stack ?? "");
  if (frame === null) return "";
  const [, file, line, column] = frame as unknown as [string, string, string, string];
  let source: string | undefined;
  try {
    source = readFileSync(file, "utf8").split("\n")[Number(line) - 1];
  } catch {
    // a module of Node itself, or one that came from elsewhere
  }
  const shown = source === undefined ? "" : `${source}\n${" ".repeat(Number(column) - 1)}^\n`;
  return `${file}:${line}\n${shown}\n`;
}
