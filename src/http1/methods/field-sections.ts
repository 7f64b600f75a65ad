import { awaitsContent } from "../../http/message.js";
import { ruleBroken } from "../../report/incidents.js";
import type { HeadersArgument } from "../../validity/draft.js";
import type { Http1Exchange } from "../exchange/http1-exchange.js";
import { dropBegun } from "../exchange/interim-gate.js";
import { endsConnection } from "../exchange/take-over.js";
import { framingOf } from "../message/framing.js";
import { checkSize, largestFields, type Rendering, renderHeaderSection } from "../message/header-section.js";

/** Overrides `_storeHeader`, which renders the header section. */
export function storeHeader(exchange: Http1Exchange, firstLine: string, headers: HeadersArgument): void {
  const { response } = exchange;
  if (exchange.capturing || exchange.phase.isVoid) {
    response._header ??= firstLine;
    return;
  }
  const veto = exchange.veto?.() ?? null;
  if (veto !== null) {
    response._header = firstLine;
    exchange.failSoon(veto);
    return;
  }
  const isKeptOpen = response.shouldKeepAlive && !exchange.persists;
  if (isKeptOpen) response.shouldKeepAlive = false;
  const endsSilently = exchange.connection.endsSilently && exchange.following === null;
  const isGivenUp = exchange.goneBy === "app"; // what answers it after all is the last on its connection
  const isClosing = exchange.supervisor.closing.size > 0 && endsConnection(exchange);
  // Nobody will read the rest of the request, and no other can follow it.
  const isLeft = exchange.request.destroyed && awaitsContent(exchange.request);
  if (endsSilently || isGivenUp || isClosing || isLeft) response.shouldKeepAlive = false;
  const { _last, _contentLength, chunkedEncoding } = response;
  let rendering: Rendering;
  try {
    rendering = renderHeaderSection(exchange, firstLine, headers);
  } catch (error) {
    // What Node took from the fields before the bad one must not hold for the answer that follows.
    response._last = _last;
    response._contentLength = _contentLength;
    response.chunkedEncoding = chunkedEncoding;
    throw error;
  }
  // Node forgets that a client has half-closed where the app removes Connection, and keeps a dead connection open.
  if (_last) response._last = true;
  const { status, repairs, failure, lost, coding } = rendering;
  if (coding !== null) exchange.coded = { coding, frames: 0 };
  if (failure !== null) {
    exchange.lost = lost;
    exchange.failSoon(failure);
    return;
  }
  for (const repair of repairs) exchange.repaired(repair);
  if (isKeptOpen && !repairs.some(({ code }) => code === KEPT_OPEN.code)) exchange.repaired(KEPT_OPEN);
  // Node announces the close of a connection that has had its number of requests, and then keeps it (CX-1).
  if (response.maxRequestsOnConnectionReached) response._last = true;
  accept(exchange, status);
}

/** An app that sets `shouldKeepAlive` would keep a connection open at whose end the client waits. */
export const KEPT_OPEN = ruleBroken("CX-2", "The app kept a connection alive that the client asked to close.");

/** The header section is rendered, but still ours. */
export function accept(exchange: Http1Exchange, status: number): void {
  const { response, settings, supervisor } = exchange;
  const rendered = response._header as string;
  if (exchange.interims !== null) dropBegun(exchange);
  exchange.decidedStatus = status;
  exchange.phase = exchange.phase.after.headers;
  if (rendered.length > settings.maxHeaderSectionOctets / 4) {
    const failure = checkSize(rendered, settings.maxHeaderSectionOctets);
    if (failure === null) supervisor.largeHeaderSection(rendered.length, largestFields(rendered));
    else if (exchange.failSoon(failure)) return;
  }
  exchange.framing = framingOf(response);
  supervisor.rendered?.(exchange, rendered);
}
