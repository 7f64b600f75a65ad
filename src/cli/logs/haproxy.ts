import { rayOf } from "./combined.js";
import type { AccessEntry } from "./entry.js";
import { parseTime } from "./times.js";

const TIME = /\[(\d\d\/[A-Z][a-z]{2}\/\d{4}:[\d:.]{8,12})\] /;

// After the time: frontend backend/server timers status octets - - state counts queues {captured} "request"
const REST = /^\S+ \S+ (-?\d+(?:\/[+-]?\d+){4}) (-?\d{1,3}) \+?(\d+) \S+ \S+ ([A-Za-z-]{4}) [\d/+]+ [\d/]+ (.*)$/;

/** Reads a line of HAProxy's "httplog", with CF-Ray captured in braces. */
export function parseHaproxy(line: string): AccessEntry | null {
  const time = TIME.exec(line);
  if (time === null) return null;
  const match = REST.exec(line.slice(time.index + time[0].length));
  // In front of the time: what syslog adds, and the client with its port.
  const client = /(\S{1,64}):\d{1,5} $/.exec(line.slice(Math.max(0, time.index - 80), time.index))?.[1];
  if (match === null || client === undefined) return null;
  const [, timers, status, octets, termination, rest] = match as unknown as string[];
  const parsed = parseTime(time[1]);
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
    client,
    request: quote === -1 ? "" : (rest as string).slice(quote + 1).replace(/"?$/, ""),
    status: Math.max(0, Number(status)),
    octets: Number(octets),
    ms: Number((timers as string).split("/").at(-1)?.replace("+", "")),
    upstreamStatus: null,
    termination: termination as string,
  };
}
