import { errorMonitor } from "node:events";
import type { Readable } from "node:stream";
import type { Exchange } from "../exchange.js";

/** A response that is being piped to, as far as its source matters. */
interface Destination extends Exchange {
  readonly response: { readonly _header: string | null; readonly writableEnded: boolean };
}

/**
 * Watches the source of a `pipe()` into a response. `pipe()` lets go of a source that fails and never ends what it
 * wrote to, so that the response would hang until a deadline.
 */
export function watchSource(exchange: Destination, source: Readable): void {
  if (typeof source?.once !== "function") return;
  let cause: unknown;
  source.once(errorMonitor, (error: unknown) => {
    cause = error;
  });
  source.once("close", () => {
    if (source.readableEnded) return;
    // Whoever listens for the error of the source gets to deal with it first.
    setImmediate(() => {
      const { response } = exchange;
      // With no header section yet, the app can still answer otherwise, and may be about to.
      if (exchange.settled || response.writableEnded || response._header === null) return;
      exchange.fail({
        code: "MC-9",
        message:
          "The source of a pipe() into the response failed, and pipe() does not end what it wrote. Use pipeline() or handle the error.",
        prevented: 520,
        status: 500,
        err: cause,
      });
    });
  });
}
