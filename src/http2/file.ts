import { fstatSync } from "node:fs";
import type { ServerHttp2Stream } from "node:http2";
import { type Failure, longContent, ruleBroken, shortContent } from "../report/incidents.js";
import { destroy } from "./ending.js";
import { judgeHead, refuse } from "./fields.js";
import type { Http2Exchange } from "./http2-exchange.js";
import { refuseAsNode } from "./refused.js";
import { respond } from "./response.js";
import {
  byName,
  type Fields,
  type Head,
  hasNoContent,
  isFieldsObject,
  type RespondOptions,
  type StatCheck,
  snapshot,
} from "./section.js";

/** Overrides `respondWithFD()` and `respondWithFile()`. Node commits once it has the file, and tells by `end()`. */
export function respondFrom(
  exchange: Http2Exchange,
  how: "respondWithFD" | "respondWithFile",
  from: unknown,
  headers: object | undefined,
  options: RespondOptions | undefined,
): void {
  const { stream, native } = exchange;
  if (exchange.isVoid && exchange.head === null) return exchange.wroteLate();
  const isFirst = !exchange.passing && exchange.head === null && !exchange.phase.isCommitted && !stream.closed;
  let given: unknown = headers;
  let checked = options;
  if (isFirst && !stream.destroyed && (headers === undefined || isFieldsObject(headers))) {
    const fields = snapshot(headers ?? {});
    given = fields;
    // What Node refuses here and now; of a field that it does not take the stream is told, and comes to its end.
    refuseAsNode(stream, native, "respond", { ":status": fields[":status"] }, options);
    if (!hasNoContent(fields, exchange.method)) {
      const { statCheck } = options ?? {};
      if (how === "respondWithFD" && statCheck === undefined) {
        if (!judgeFile(exchange, fields, options, wrongLength(from, byName(fields), options))) return;
      } else if (statCheck === undefined || typeof statCheck === "function") {
        checked = { ...options, statCheck: judging(exchange, options) };
      }
      exchange.fromFile = true;
    }
  }
  try {
    native[how].call(stream, ...([from, given, checked] as never[]));
  } catch (error) {
    if (exchange.head === null && !exchange.phase.isCommitted) exchange.fromFile = false;
    throw error;
  }
}

/** A `statCheck` behind the one of the app, which may change every field: judges what Node is about to send. */
function judging(exchange: Http2Exchange, options: RespondOptions | undefined): StatCheck {
  const own = options?.statCheck;
  return function statCheck(this: ServerHttp2Stream, stat, headers, range) {
    const goesOn = own?.call(this, stat, headers, range);
    const { stream, method } = exchange;
    if (goesOn === false || exchange.head !== null || exchange.isVoid || stream.closed || stream.destroyed)
      return goesOn;
    let failure: Failure | null = null;
    if (range === undefined && stat.isFile()) {
      const length = lengthOf(stat.size, options);
      headers["content-length"] = length;
      if (length < 0) failure = ruleBroken("FR-2", `The file ends ${-length} octets in front of the range.`);
    }
    if (hasNoContent(headers, method)) {
      respond(exchange, headers, options);
      return false;
    }
    return judgeFile(exchange, headers, options, failure) && goesOn;
  };
}

/** Judges the header section of a file, and mends it in place. @returns false where the response has failed instead */
function judgeFile(
  exchange: Http2Exchange,
  headers: Fields,
  options: RespondOptions | undefined,
  failure: Failure | null,
): boolean {
  const { stream, native } = exchange;
  const head: Head = { fields: byName(headers), given: headers, options };
  exchange.fromFile = false;
  try {
    if (failure !== null) refuse(exchange, head, failure);
    if (failure !== null || judgeHead(exchange, head) === null) return false;
    if (head.given !== headers) {
      for (const name of Object.keys(headers)) delete headers[name];
      Object.assign(headers, head.given);
    }
    // Node finds out where nothing else can be answered any more.
    refuseAsNode(stream, native, "respond", { ...headers, ":status": 200 }, undefined);
  } catch (error) {
    // What is wrong with a list of sensitive fields it throws.
    if ((error as NodeJS.ErrnoException).code === "ERR_INVALID_ARG_VALUE") throw error;
    destroy(exchange, error as Error);
    return false;
  }
  exchange.fromFile = true;
  return true;
}

/** Octets that Node sends of a file; less than none, if the range begins behind its end. */
function lengthOf(size: number, { offset = 0, length = -1 }: RespondOptions = {}): number {
  const rest = size - offset;
  return length < 0 ? rest : Math.min(rest, length);
}

/** What is wrong with the length that an app announces of a file it has opened, at which Node does not look. */
export function wrongLength(from: unknown, fields: Fields, options: RespondOptions | undefined): Failure | null {
  const { "content-length": announced } = fields;
  if (announced === undefined) return null;
  try {
    const stat = fstatSync(typeof from === "number" ? from : (from as { readonly fd: number }).fd);
    const [length, octets] = [Number(announced), lengthOf(stat.size, options)];
    if (!stat.isFile() || !Number.isSafeInteger(length) || octets === length) return null;
    // An edge passes on what there is.
    return { ...(octets > length ? longContent : shortContent)(length, octets), prevented: null };
  } catch {
    // Node tells of it.
    return null;
  }
}
