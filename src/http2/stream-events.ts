import type { Http2ServerResponse, ServerHttp2Stream } from "node:http2";
import type { Readable } from "node:stream";
import { setImmediate } from "../clock.js";
import { contain, contained } from "../containment.js";
import { exchangeOf } from "../exchange/exchange-of.js";
import { type Piped, watchSource } from "./source.js";

type Emit = (this: object, event: string | symbol, ...args: unknown[]) => boolean;

interface Hearing extends Piped {
  readonly native: { readonly emit: Emit };
  /** The stream has been closed. */
  closed(): void;
}

/**
 * Overrides `emit` of a stream. A listener is seen by whoever asks for them, counts for the warning of too many, and goes
 * where an app takes them all away.
 */
export function emit(this: ServerHttp2Stream, event: string | symbol, ...args: unknown[]): boolean {
  const exchange = exchangeOf(this) as unknown as Hearing;
  if (event === "close" && !exchange.phase.isSettled) contain(exchange.supervisor, () => exchange.closed());
  else if (event === "pipe") contain(exchange.supervisor, () => watchSource(exchange, args[0] as Readable));
  else if (event === "error" && this.listenerCount("error") === 0) hearEnd(this, exchange);
  return Reflect.apply(exchange.native.emit, this, [event, ...args]);
}

/** An error that nobody listens for is thrown, and `close` never follows where the app goes on behind that. */
function hearEnd(stream: ServerHttp2Stream, exchange: Hearing): void {
  const end = () => {
    if (stream.destroyed && !exchange.phase.isSettled) exchange.closed();
  };
  setImmediate(contained(exchange.supervisor, end));
}

/** The same of a response of the compatibility API, on which a stream hears nothing of `pipe`. */
export function hearPipes(response: Http2ServerResponse): void {
  Object.defineProperty(response, "emit", { value: emitOfResponse, configurable: true, writable: true });
}

function emitOfResponse(this: Http2ServerResponse, event: string | symbol, ...args: unknown[]): boolean {
  const exchange = exchangeOf(this) as unknown as Hearing;
  if (event === "pipe") contain(exchange.supervisor, () => watchSource(exchange, args[0] as Readable));
  const { emit } = Object.getPrototypeOf(this) as { emit: Emit };
  return Reflect.apply(emit, this, [event, ...args]);
}
