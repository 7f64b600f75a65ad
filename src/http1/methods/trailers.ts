import { ruleBroken, sourceFailed } from "../../report/incidents.js";
import { readHeaders, writtenText } from "../../validity/draft.js";
import { sortTrailers } from "../../validity/trailers.js";
import type { Http1Exchange } from "../exchange/http1-exchange.js";
import type { NodeResponse } from "../node/node-internals.js";

/** Overrides `addTrailers`, which looks at the text of each value and then reads it again. */
export function addTrailers(
  response: NodeResponse,
  below: (this: NodeResponse, trailers: unknown) => void,
  trailers: unknown,
): void {
  if (typeof trailers !== "object" || trailers === null) return below.call(response, trailers);
  const isPairs = !Array.isArray(trailers) || trailers.every((entry) => Array.isArray(entry));
  if (!isPairs) return below.call(response, trailers);
  const flat = readHeaders(trailers as Record<string, unknown>) as unknown[];
  const pairs: [name: unknown, value: unknown][] = [];
  for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i], writtenText(flat[i + 1])]);
  below.call(response, pairs);
}

/** `end()` is about to run for content of a source, or with a trailer section: the last moment to look at them. */
export function beforeEnd(exchange: Http1Exchange): void {
  const { response, sourceError } = exchange;
  if (sourceError !== undefined && !exchange.isAllOut) exchange.fail(sourceFailed(sourceError.error));
  if (response._trailer !== "") checkTrailers(exchange);
}

/** Drops what may not stand in a trailer section (RFC 9110, section 6.5.1). */
function checkTrailers(exchange: Http1Exchange): void {
  const { response } = exchange;
  const { kept, dropped } = sortTrailers(response._trailer);
  if (dropped.length === 0) return;
  const failure = ruleBroken("TR-2", `The app sent ${dropped.join(", ")} as a trailer.`);
  if (exchange.repaired(failure)) response._trailer = kept;
}
