import type { ServerHttp2Stream } from "node:http2";
import { contained } from "../containment.js";
import { prematureClose } from "../incidents.js";
import type { Http2Exchange } from "./http2.js";
import { destroyedWith, type Leaving } from "./http2-leaving.js";

/** Stands in front of `destroy()`, which Node calls as well: for a client that is gone, and behind a response. */
export function destroy(exchange: Http2Exchange, error?: Error, callback?: unknown): ServerHttp2Stream {
  const { stream } = exchange;
  const pass = () => {
    // What the app has ended it with is what its listeners are told, whoever comes to end it.
    exchange.native.destroy.call(stream, ...([error ?? exchange.leaving?.error, callback] as never[]));
    return stream;
  };
  if (exchange.passing || exchange.settled || exchange.isTunnel || isGone(stream)) return pass();
  // The compatibility API destroys a stream to which it would have had to write behind its end.
  if (exchange.isOver() && (error as NodeJS.ErrnoException | undefined)?.code === "ERR_STREAM_WRITE_AFTER_END")
    exchange.wroteLate();
  if (!isFailedWrite(error)) return ends(exchange, destroyedWith(error), "stream.destroy") ? stream : pass();
  // A write that failed is Node's to tell, or an error of the app's upstream. Node's own is known to the stream in a moment.
  const decide = () => {
    if (stream.errored === error || isGone(stream) || !ends(exchange, destroyedWith(error), "stream.destroy")) pass();
  };
  process.nextTick(contained(exchange.supervisor, decide));
  return stream;
}

/** Stands in front of `close()`, which Node calls for a socket that is gone, and behind a response. */
export function close(exchange: Http2Exchange, code: unknown = 0, callback?: unknown): void {
  const { stream, native } = exchange;
  const pass = () => void native.close.call(stream, ...([code, callback] as never[]));
  if (exchange.passing || exchange.settled || exchange.isTunnel || isGone(stream)) return pass();
  // Node refuses them, to whoever has called.
  if (!Number.isInteger(code) || (callback !== undefined && typeof callback !== "function")) return pass();
  const leaving = { error: undefined, code: code as number, destroys: false };
  if (!ends(exchange, leaving, "stream.close")) return pass();
  if (callback !== undefined) stream.once("close", callback as () => void);
}

/** The app ends the stream. @returns false where there is nothing to be said before that */
function ends(exchange: Http2Exchange, leaving: Leaving, how: string): boolean {
  const { stream, supervisor } = exchange;
  if (!supervisor.enforces) {
    exchange.fail(prematureClose(how, leaving.error));
    return false;
  }
  if (exchange.flushing) {
    exchange.leaving ??= leaving;
    return true;
  }
  if (exchange.inert) return false;
  if (exchange.isOver()) {
    if (stream.writableFinished) return false;
    // The response is whole, and on its way.
    exchange.leaving ??= leaving;
    stream.once(
      "finish",
      contained(supervisor, () => exchange.leave()),
    );
    return true;
  }
  exchange.leaving ??= leaving;
  return exchange.fail(prematureClose(how, leaving.error));
}

/** Whether a stream has ended on its own account: the client is gone, and nothing can be answered any more. */
export function isGone(stream: ServerHttp2Stream): boolean {
  if (stream.destroyed || stream.closed || stream.aborted) return true;
  const { session } = stream;
  // Node closes the streams of a socket that is gone before it closes the session.
  return session === undefined || session.destroyed || session.socket?.destroyed !== false;
}

function isFailedWrite(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).syscall === "write";
}
