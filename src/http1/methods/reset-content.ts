import type { Exchange } from "../../exchange/exchange.js";
import { statusIn } from "../../http/message.js";
import { type Failure, ruleBroken } from "../../report/incidents.js";
import type { Http1Exchange } from "../exchange/http1-exchange.js";
import type { NodeResponse } from "../node/node-internals.js";

export const RESET_CONTENT = 205;

const FOUND = ruleBroken("FR-13", "The app sent content with 205.");

/** Exchanges of which it has been told. */
const told = new WeakSet<Exchange>();

/**
 * Whether a chunk of a 205 response is to be left out, and tells of it. Node frames such a response as any other, so the
 * content must not get there; without it whatever Node makes of the framing is right.
 */
export function leavesOut(exchange: Exchange & { readonly response: NodeResponse }, chunk: unknown): boolean {
  const { response, phase } = exchange;
  if (!response._hasBody || response.finished || phase.discards || phase.isOver || !hasOctets(chunk)) return false;
  // The app has changed its mind behind the header section.
  if (response._header !== null && statusIn(response._header) !== RESET_CONTENT) return false;
  // A length that announces content has been told of with the header section.
  if (exchange.framing.length <= 0) tell(exchange);
  return true;
}

/** Tells of a chunk that has gone out with a 205 response as it is. */
export function watchResetContent(exchange: Http1Exchange, chunk: unknown): void {
  const { response, phase, decidedStatus } = exchange;
  if (decidedStatus !== RESET_CONTENT || !response._hasBody || phase.discards || phase.isOver) return;
  if (hasOctets(chunk)) tell(exchange);
}

/** Notes what has been told of a header section: such a response may announce its content there. */
export function noteTold(exchange: Exchange, { code }: Failure): void {
  if (code === FOUND.code) told.add(exchange);
}

function tell(exchange: Exchange): void {
  if (told.has(exchange)) return;
  told.add(exchange);
  exchange.repaired(FOUND);
}

/** Anything else is no content, or makes Node throw. */
function hasOctets(chunk: unknown): boolean {
  return typeof chunk === "string" ? chunk.length > 0 : ArrayBuffer.isView(chunk) && chunk.byteLength > 0;
}
