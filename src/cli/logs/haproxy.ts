import { rayOf } from "./combined.js";
import type { AccessEntry } from "./entry.js";
import { parseTime } from "./times.js";

// client:port [time] frontend backend/server timers status octets - - state counts queues {captured} "request"
const LINE =
  /(\S+):\d+ \[(\d\d\/[A-Z][a-z]{2}\/\d{4}:[\d:.]+)\] \S+ \S+ (-?\d+(?:\/[+-]?\d+){4}) (-?\d{1,3}) \+?(\d+) \S+ \S+ ([A-Za-z-]{4}) [\d/+]+ [\d/]+ (.*)$/;

/** Reads a line of HAProxy's "httplog", with CF-Ray captured in braces. */
export function parseHaproxy(line: string): AccessEntry | null {
  const match = LINE.exec(line);
  if (match === null) return null;
  const [, client, time, timers, status, octets, termination, rest] = match as unknown as string[];
  const parsed = parseTime(time);
  if (parsed === null) return null;
  const quote = (rest as string).indexOf('"');
  const ray = rayOf(quote === -1 ? (rest as string) : (rest as string).slice(0, quote));
  return {
    kind: "access",
    format: "HAProxy",
    ...parsed,
    pid: null,
    host: null,
    requestId: null,
    ray: ray?.id ?? null,
    colo: ray?.colo ?? null,
    client: client as string,
    request: quote === -1 ? "" : (rest as string).slice(quote + 1).replace(/"?$/, ""),
    status: Math.max(0, Number(status)),
    octets: Number(octets),
    ms: Number((timers as string).split("/").at(-1)?.replace("+", "")),
    upstreamStatus: null,
    termination: termination as string,
  };
}
