import { errorMonitor } from "node:events";
import type { Readable } from "node:stream";
import { sourceFailed } from "../incidents.js";
import type { Http1Exchange } from "./http1-exchange.js";

/**
 * Watches the source of a `pipe()` into a response. `pipe()` lets go of a source that fails and never ends what it
 * wrote to; the response would hang until a deadline, or be ended by an app that takes part of the content for all.
 */
export function watchSource(exchange: Http1Exchange, source: Readable): void {
  if (typeof source?.once !== "function") return;
  const { response } = exchange;
  exchange.unattended++;
  let failure: { readonly error: unknown } | undefined;
  source.once(errorMonitor, (error: unknown) => {
    failure = { error };
    // With no header section yet, the app can still answer otherwise.
    if (response._header !== null) exchange.sourceError = failure;
  });
  source.once("close", () => {
    exchange.unattended--;
    if (source.readableEnded) return;
    // Whoever listens for the error of the source gets to deal with it first.
    setImmediate(() => {
      if (exchange.settled || response.writableEnded || response._header === null) return;
      exchange.fail(sourceFailed(failure?.error));
    });
  });
}
