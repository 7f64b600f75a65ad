import { nextTick } from "../../clock.js";
import { isToken, NOT_IN_VALUE } from "../../http/grammar.js";
import { ruleBroken } from "../../report/incidents.js";
import { copyOf, readHeaders, writtenText } from "../../validity/draft.js";
import type { Http1Exchange } from "../exchange/http1-exchange.js";
import { interimsOf } from "../exchange/interim-gate.js";
import type { NodeResponse, WriteCallback } from "../node/node-internals.js";

/** `writeEarlyHints`, or `writeInformation` without its status code. */
type Write = (this: NodeResponse, fields: unknown, callback?: WriteCallback) => unknown;

/**
 * Overrides `writeEarlyHints`. Node 20 looks at no value: one with CR LF in it is another field once it is
 * rendered, so that it must be looked at before (RFC 9110, section 5.5).
 */
export function writeEarlyHints(
  exchange: Http1Exchange,
  below: Write,
  hints: unknown,
  callback: WriteCallback,
): unknown {
  const { response } = exchange;
  if (typeof hints !== "object" || hints === null) return below.call(response, hints, callback);
  const read = readOnce(hints);
  if (!isMalformed(read)) return below.call(response, read, callback);
  const interims = interimsOf(exchange);
  interims.isMuted = true;
  try {
    below.call(response, read); // throws where Node looks at the values itself
  } finally {
    interims.isMuted = false;
  }
  exchange.repaired(ruleBroken("IR-4", "The app sent Early Hints with malformed fields; they were dropped."));
  const isTaken = !response.destroyed && !response.finished;
  if (isTaken && typeof callback === "function") nextTick(callback);
  return undefined;
}

/** Looks at hints that go out as they are. */
export function watchEarlyHints(exchange: Http1Exchange, hints: unknown): void {
  if (typeof hints === "object" && hints !== null && isMalformed(plainValues(hints)))
    exchange.repaired(ruleBroken("IR-4", "The app sent Early Hints with malformed fields."));
}

/** Overrides `writeInformation` (Node 26), which looks at each value, and then reads it again. */
export function writeInformation(
  exchange: Http1Exchange,
  below: (this: NodeResponse, status: unknown, fields?: unknown, callback?: WriteCallback) => unknown,
  [status, given, callback]: [status: unknown, fields?: unknown, callback?: WriteCallback],
): unknown {
  const isSection = typeof given === "object" && given !== null;
  const fields = isSection ? (readHeaders(given as Record<string, unknown>) as unknown[]) : given;
  if (isSection && Array.isArray(fields)) for (let i = 1; i < fields.length; i += 2) fields[i] = writtenText(fields[i]);
  return below.call(exchange.response, status, fields, callback);
}

type Hints = Record<string, unknown>;

function readOnce(hints: object): Hints {
  const read: Hints = {};
  for (const [name, value] of Object.entries(hints)) {
    // Node takes links as a list, and the text of everything else.
    if (name === "link") read[name] = Array.isArray(value) ? copyOf(value) : value;
    else read[name] = typeof value === "object" && value !== null ? String(value) : value;
  }
  return read;
}

/** Without whatever would have to be read: a reading may change it. */
function plainValues(hints: object): Hints {
  const plain: Hints = {};
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(hints))) {
    if (typeof value === "string" || (name === "link" && Array.isArray(value))) plain[name] = value;
  }
  return plain;
}

function isMalformed(hints: Hints): boolean {
  // Without a link Node sends nothing.
  if (hints.link === undefined || hints.link === null) return false;
  return Object.entries(hints).some(([name, value]) => {
    const values = Array.isArray(value) ? value : [value];
    return !isToken(name) || values.some((item) => typeof item === "string" && NOT_IN_VALUE.test(item));
  });
}
