import type { ServerHttp2Stream } from "node:http2";
import type { Readable } from "node:stream";
import { setImmediate } from "../clock.js";
import { contained } from "../containment.js";
import type { Exchange } from "../exchange/exchange.js";
import { listenToSource } from "../exchange/source.js";
import { sourceFailed } from "../report/incidents.js";
import { isGone } from "./internals.js";

/** An exchange into which a source is piped. */
export interface Piped extends Exchange {
  readonly stream: ServerHttp2Stream;
  readonly head: object | null;
  readonly ended: boolean;
  sourceError: { readonly error: unknown } | undefined;
}

/**
 * Looks at what is piped into a stream, or a response of the compatibility API. `pipe()` lets go of a source that fails and
 * never ends what it wrote to; the response would hang until a deadline, or be ended by an app that takes part of the
 * content for all.
 */
export function watchSource(exchange: Piped, source: Readable): void {
  const { stream, supervisor } = exchange;
  let failure: { readonly error: unknown } | undefined;
  const onError = (error: unknown) => {
    failure = { error };
    // With no header section yet, the app can still answer otherwise.
    if (exchange.head !== null) exchange.sourceError = failure;
  };
  const look = () => {
    // Whoever lets go of the source because the client has left, has nothing to answer any more.
    if (exchange.phase.isSettled || exchange.ended || exchange.head === null || isGone(stream)) return;
    exchange.fail(sourceFailed(failure?.error));
  };
  const onClose = (isPiped: boolean) => {
    // What the app has let go of before is no source any more.
    if (!isPiped && failure === undefined) return;
    // Whoever listens for the error of the source gets to deal with it first.
    if (!source.readableEnded) setImmediate(contained(supervisor, look));
  };
  listenToSource(exchange, source, onError, onClose);
}
