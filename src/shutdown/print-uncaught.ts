import { readFileSync, writeSync } from "node:fs";
import { inspect } from "node:util";

const STDERR = 2;

/** Prints an uncaught exception as Node does: where it was thrown, the error with its stack, the version. */
export function printUncaught(error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void {
  const trace = isError(error)
    ? `${inspect(error)}\n`
    : `Uncaught:\n${inspect(error)}\n(Use \`node --trace-uncaught ...\` to show where the exception was thrown)\n`;
  const where = origin === "uncaughtException" && isError(error) ? locate(error) : "";
  try {
    writeSync(STDERR, `${where}${trace}\nNode.js ${process.version}\n`);
  } catch {
    // nobody reads it
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
