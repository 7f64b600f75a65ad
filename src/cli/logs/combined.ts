import { parseRay } from "../../cloudflare/ray.js";
import type { AccessEntry } from "./entry.js";
import { pairsOf } from "./key-value.js";
import { first, NAMES, number } from "./members.js";
import { parseTime } from "./times.js";

// address ident user [time] "request" status octets ["referrer" "agent"] and whatever was added; Apache may put its
// virtual host in front. Each part excludes the character that ends it, so that no line takes long.
const LINE =
  /^(?:\S+:\d+ )?(\S+) \S+ [^[]{0,200}\[([^\]]{1,40})\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-)(?: "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*")?(.*)$/;

/** Reads the "combined" and "common" formats of nginx and Apache, with a Ray ID and named numbers added at the end. */
export function parseCombined(line: string): AccessEntry | null {
  const match = LINE.exec(line);
  if (match === null) return null;
  const [, client, time, request, status, octets, rest] = match as unknown as string[];
  const parsed = parseTime(time);
  if (parsed === null) return null;
  const pairs = pairsOf(rest as string);
  const ray = rayOf(rest as string);
  const seconds = number(first(pairs, NAMES.seconds));
  return {
    kind: "access",
    format: "combined",
    ...parsed,
    pid: null,
    host: null,
    requestId: null,
    ray: ray?.id ?? null,
    colo: ray?.colo ?? null,
    client: client as string,
    request: request as string,
    status: Number(status),
    octets: octets === "-" ? null : Number(octets),
    ms: seconds === null ? null : Math.round(seconds * 1_000),
    upstreamStatus: number(first(pairs, NAMES.upstreamStatus)),
  };
}

/** A Ray ID among words of its own: quoted, in brackets, or behind a name. */
export function rayOf(words: string) {
  const match = /(?<![0-9a-z])[0-9a-f]{16}(?:-[a-z]{3})?(?![0-9a-z])/i.exec(words);
  return match === null ? null : parseRay(match[0]);
}
