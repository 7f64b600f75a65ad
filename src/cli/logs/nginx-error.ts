import { rayOf } from "./combined.js";
import type { ProxyErrorEntry } from "./entry.js";
import { parseTime } from "./times.js";

const LINE = /^(\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d) \[(\w+)\] (\d+)#\d+: (.*)$/;

/** Reads a line of nginx's error log. It names no Ray; the client and the request line tell whose it is. */
export function parseNginxError(line: string): ProxyErrorEntry | null {
  const match = LINE.exec(line);
  if (match === null) return null;
  const [, time, level, pid, rest] = match as unknown as [string, string, string, string, string];
  const parsed = parseTime(time);
  if (parsed === null) return null;
  const message = rest.replace(/^\*\d+ /, "");
  const ray = rayOf(message);
  return {
    kind: "proxy error",
    ...parsed,
    pid: Number(pid),
    host: null,
    requestId: null,
    ray: ray?.id ?? null,
    colo: ray?.colo ?? null,
    level,
    message,
    client: /, client: ([^\s,]+)/.exec(message)?.[1] ?? "",
    request: /, request: "([^"]*)"/.exec(message)?.[1] ?? "",
  };
}
