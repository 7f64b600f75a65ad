/** A JSON object of a log line. */
export type LogObject = { readonly [name: string]: unknown };

export function isObject(value: unknown): value is LogObject {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/**
 * The JSON object a line is, or ends with: containers, syslog and process managers put words of their own in front, and
 * Docker wraps the line in an object of its own.
 */
export function objectOf(line: string): LogObject | null {
  const start = line.indexOf("{");
  // A prefix is short; further in, a brace belongs to text.
  if (start === -1 || start > 200) return null;
  const end = line.lastIndexOf("}");
  if (end < start) return null;
  let value: unknown;
  try {
    value = JSON.parse(line.slice(start, end + 1));
  } catch {
    return null;
  }
  if (!isObject(value)) return null;
  if (typeof value.log === "string" && typeof value.stream === "string") return objectOf(value.log);
  return value;
}

/** What Docker's wrapper holds where that is no JSON itself. */
export function unwrapped(line: string): string {
  if (!line.startsWith('{"log":')) return line;
  try {
    const { log } = JSON.parse(line) as { log?: unknown };
    return typeof log === "string" ? log.trimEnd() : line;
  } catch {
    return line;
  }
}
