import type { Readable } from "node:stream";
import { setImmediate } from "../../clock.js";
import { contained } from "../../containment.js";
import { isOfLeaving } from "../../exchange/leaving.js";
import { listenToSource } from "../../exchange/source.js";
import { sourceFailed } from "../../report/incidents.js";
import type { Http1Exchange } from "../exchange/http1-exchange.js";

/**
 * Watches the source of a `pipe()` into a response. `pipe()` lets go of a source that fails and never ends what it
 * wrote to; the response would hang until a deadline, or be ended by an app that takes part of the content for all.
 */
export function watchSource(exchange: Http1Exchange, source: Readable): void {
  const { response, supervisor } = exchange;
  let failure: { readonly error: unknown } | undefined;
  const onError = (error: unknown) => {
    failure = { error };
    // With no header section yet, the app can still answer otherwise.
    if (response._header !== null) exchange.sourceError = failure;
  };
  const look = () => {
    if (exchange.phase.isSettled || response.writableEnded || response._header === null) return;
    exchange.fail({ ...sourceFailed(failure?.error), clientGone: isForClient(exchange, failure?.error) });
  };
  const onClose = (isPiped: boolean) => {
    // What the app has let go of before is no source any more.
    if (!isPiped && failure === undefined) return;
    // Whoever listens for the error of the source gets to deal with it first.
    if (!source.readableEnded) setImmediate(contained(supervisor, look));
  };
  listenToSource(exchange, source, onError, onClose);
}

/**
 * Whether the app has let go of the source because the client has left, which it may learn before the connection is
 * closed. Koa, `on-finished` and everybody who cleans up destroys it then, with no error or with that of the
 * connection; one that fails on its own account has an error of its own.
 */
function isForClient({ connection, goneBy, request }: Http1Exchange, error: unknown): boolean {
  // The app has destroyed its own request, which looks the same from then on.
  if (goneBy === "app") return false;
  const { socket } = connection;
  if (!socket.readableEnded && !request.aborted) return false;
  return error === undefined || error === socket.errored || error === request.errored || isOfLeaving(error);
}
