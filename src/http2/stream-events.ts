import type { Readable } from "node:stream";
import { setImmediate } from "../clock.js";
import { contain, contained } from "../containment.js";
import { type Piped, watchSource } from "./source.js";

interface Hearing extends Piped {
  /** The stream has been closed. */
  closed(): void;
}

/** Whether an event of a stream is anything to its exchange. */
export function isHeard(event: unknown): event is "close" | "pipe" | "error" {
  return event === "close" || event === "pipe" || event === "error";
}

/**
 * Tells an exchange of an event of its stream, before Node emits that. A listener would be seen by whoever asks for them,
 * count for the warning of too many, and be gone where an app takes them all away.
 */
export function hear(exchange: Hearing, event: "close" | "pipe" | "error", argument: unknown): void {
  if (event === "close" && !exchange.phase.isSettled) contain(exchange.supervisor, () => exchange.closed());
  else if (event === "pipe") hearPipe(exchange, argument);
  else if (event === "error" && exchange.stream.listenerCount("error") === 0) hearEnd(exchange);
}

/** An error that nobody listens for is thrown, and `close` never follows where the app goes on behind that. */
function hearEnd(exchange: Hearing): void {
  const end = () => {
    if (exchange.stream.destroyed && !exchange.phase.isSettled) exchange.closed();
  };
  setImmediate(contained(exchange.supervisor, end));
}

/** The same of a response of the compatibility API, on which a stream hears nothing of `pipe`. */
export function hearPipe(exchange: Piped, source: unknown): void {
  contain(exchange.supervisor, () => watchSource(exchange, source as Readable));
}
