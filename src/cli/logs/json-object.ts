/** A JSON object of a log line. */
export type LogObject = { readonly [name: string]: unknown };

export function isObject(value: unknown): value is LogObject {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** The JSON object a line is, or ends with: containers, syslog and process managers put words of their own in front. */
export function objectOf(line: string): LogObject | null {
  const start = line.indexOf("{");
  // A prefix is short; further in, a brace belongs to text.
  if (start === -1 || start > 200) return null;
  const end = line.lastIndexOf("}");
  if (end < start) return null;
  try {
    const value: unknown = JSON.parse(line.slice(start, end + 1));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** Wrappers within wrappers, and members of each, that are looked through. */
const MOST_DEPTH = 5;
const MOST_MEMBERS = 60;

/**
 * The texts an object holds, at any depth: Docker, journald, PM2 and whatever ships logs wrap a line of its own into an
 * object of theirs, each under another name. journald writes one that is no plain text as a list of octets.
 */
export function* textsIn(value: unknown, depth = 0): Generator<string> {
  if (typeof value === "string") yield value.trimEnd();
  else if (Array.isArray(value) && value.length > 0 && value.every(isOctet)) yield Buffer.from(value).toString();
  else if (value !== null && typeof value === "object" && depth < MOST_DEPTH) {
    for (const member of Object.values(value).slice(0, MOST_MEMBERS)) yield* textsIn(member, depth + 1);
  }
}

function isOctet(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 256;
}
