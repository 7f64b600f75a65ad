import { nextTick, setImmediate } from "../clock.js";
import { contained } from "../containment.js";
import { handlerError } from "../report/incidents.js";
import { commit, failsLength } from "./content.js";
import { judgeHead, refuse, repairInterim, repairTrailers } from "./fields.js";
import type { Http2Exchange } from "./http2-exchange.js";
import { mayBeRefused, refuseAsNode } from "./refused.js";
import {
  byName,
  type Fields,
  framingOf,
  type Head,
  hasNoContent,
  isFieldsObject,
  type RespondOptions,
  readOnce,
  snapshot,
  snapshotOfList,
} from "./section.js";

/** Overrides `respond()`. @throws what Node's own throws, while the caller can still catch it */
export function respond(exchange: Http2Exchange, headers: object | undefined, options: RespondOptions | undefined) {
  const { stream, native, supervisor, settings } = exchange;
  const pass = () => native.respond.call(stream, ...([headers, options] as never[]));
  if (exchange.passing) return pass();
  if (exchange.isVoid && exchange.head === null) {
    exchange.head = readAttended(exchange, headers, options) ?? exchange.head;
    return exchange.wroteLate();
  }
  if (exchange.head !== null || exchange.phase.isCommitted || stream.closed || stream.destroyed) return pass();
  const read = readAttended(exchange, headers, options);
  const head = read === null ? null : judgeHead(exchange, read);
  if (head === null) return;
  exchange.head = head;
  // Node ends the stream with such a header section: the answer is whole, whatever becomes of the stream.
  if (options?.endStream || hasNoContent(head.fields, exchange.method)) exchange.ended = true;
  exchange.framing = framingOf(head.fields, exchange.method);
  // Whoever answers in another way than with the file that Node still looks for, as a `statCheck` does, has no more use
  // for that. Node asks at once whether there is an answer.
  const { fromFile } = exchange;
  exchange.fromFile = false;
  if (exchange.ended) {
    if (!failsLength(exchange)) commit(exchange);
  } else if (
    fromFile ||
    settings.holdBackOctets === 0 ||
    exchange.method === "CONNECT" ||
    /^text\/event-stream/i.test(String(head.fields["content-type"]))
  )
    commit(exchange);
  else supervisor.holdBack(exchange);
}

/** A header section as the app has given it. @throws what Node's own `respond()` throws for it */
function readHead({ stream, native }: Http2Exchange, headers: unknown = {}, options?: RespondOptions): Head {
  const given = isFieldsObject(headers) ? snapshot(headers) : headers;
  if (!mayBeRefused(given, options)) return { fields: given as Fields, given: given as Fields, options };
  refuseAsNode(stream, native, "respond", given, options);
  if (!Array.isArray(given)) return { fields: byName(given as Fields), given: given as Fields, options };
  // Node has completed the list it was given, as it does, and is not to do so again.
  const list = snapshotOfList(given);
  return { fields: byName(list), given: list, options: { ...options, sendDate: false } };
}

/** The same, where somebody may call who catches nothing. @returns `null` where the response has failed instead */
function readAttended(exchange: Http2Exchange, headers: unknown, options?: RespondOptions): Head | null {
  try {
    return readHead(exchange, headers, options);
  } catch (error) {
    const failure = exchange.unattended > 0 ? handlerError(error) : exchange.veto?.(error);
    if (!failure) throw error;
    refuse(exchange, { fields: {}, given: {}, options }, failure);
    return null;
  }
}

/** Overrides `additionalHeaders()`. */
export function additionalHeaders(exchange: Http2Exchange, headers: unknown): void {
  const { stream, native, passing } = exchange;
  const pass = (given: unknown) => void native.additionalHeaders.call(stream, given as never);
  if (exchange.isVoid && exchange.head === null && !passing) {
    refuseAsNode(stream, native, "additionalHeaders", headers, undefined);
    return exchange.wroteLate();
  }
  if (passing || stream.closed || stream.destroyed) return pass(headers);
  // Node refuses them, to whoever has called.
  if (stream.headersSent || !(headers === undefined || isFieldsObject(headers))) return pass(headers);
  const given = readOnce(headers ?? {}) as Fields;
  // A status that is none of an interim response, or a pseudo-header field, too.
  const status = Number(given[":status"] ?? 100);
  if (!(status >= 100 && status < 200) || status === 101) return pass(given);
  refuseAsNode(stream, native, "additionalHeaders", given, undefined);
  const fields = byName(given);
  const lines = Object.keys(fields).length;
  if (!repairInterim(exchange, fields)) return;
  exchange.interims++;
  pass(Object.keys(fields).length < lines ? fields : given);
}

/** Overrides `pushStream()`, which throws for a stream that is gone, as the app does not know it to be. */
export function pushStream(exchange: Http2Exchange, headers: unknown, options: unknown, callback: unknown): void {
  const { stream, native } = exchange;
  const done = typeof options === "function" ? options : callback;
  if (!exchange.isVoid || !stream.destroyed || typeof done !== "function")
    return void native.pushStream.call(stream, ...([headers, options, callback] as never[]));
  exchange.wroteLate();
  const error = Object.assign(new Error("The stream is closed"), { code: "ERR_HTTP2_STREAM_CLOSED" });
  nextTick(done as (error: Error) => void, error);
}

/** Overrides `sendTrailers()`. */
export function sendTrailers(exchange: Http2Exchange, headers: unknown): void {
  const { stream, native, phase, supervisor } = exchange;
  const pass = (given: unknown) => void native.sendTrailers.call(stream, given as never);
  // The fallback has no trailers; a stream that waits for some must still be ended.
  if (exchange.isVoid) return pass({});
  // Node refuses what is no object, to whoever has called.
  pass(isFieldsObject(headers) ? repairTrailers(exchange, headers) : headers);
  // Node sends them in a moment; the app has ended the stream meanwhile.
  if (exchange.leaving !== null && !phase.isVoid) setImmediate(contained(supervisor, () => exchange.leave()));
}
