/** A JSON object of a log line. */
export type LogObject = { readonly [name: string]: unknown };

export function isObject(value: unknown): value is LogObject {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

export function isOctets(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every(isOctet);
}

function isOctet(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 256;
}

/** How far in the object begins at most: further in, a brace belongs to text. */
const LONGEST_PREFIX = 200;

/** Braces that are tried: those in front of it belong to a tag, or to the structured data of syslog. */
const MOST_BRACES = 8;

/**
 * The JSON object or array a line is, or holds: containers, syslog and process managers put words of their own in front,
 * loggers some behind it.
 */
export function jsonIn(line: string): object | null {
  if (line.startsWith("[{")) {
    const list = parsed(line.trimEnd());
    if (list !== null) return list;
  }
  const last = line.lastIndexOf("}");
  let start = line.indexOf("{");
  for (let n = 0; n < MOST_BRACES && start !== -1 && start <= LONGEST_PREFIX && start < last; n++) {
    const value = parsed(line.slice(start, last + 1)) ?? parsed(line.slice(start, endOf(line, start)));
    if (value !== null) return value;
    start = line.indexOf("{", start + 1);
  }
  return null;
}

function parsed(text: string): object | null {
  if (text === "") return null;
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}]/g;

/** Where the object ends that begins at a brace; that place itself where it does not. */
function endOf(line: string, start: number): number {
  let depth = 0;
  TOKEN.lastIndex = start;
  for (let match = TOKEN.exec(line); match !== null; match = TOKEN.exec(line)) {
    if (match[0] === "{") depth++;
    else if (match[0] === "}" && --depth === 0) return TOKEN.lastIndex;
  }
  return start;
}
