import type { Http2Session, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";

/** What `node:http2` keeps of a stream in properties that are not documented; held by `test/node-contract.test.ts`. */
interface StreamState {
  rstCode?: number;
  /** The session has been told of the end of the content. */
  shutdownWritableCalled?: boolean;
  /** The app has been asked for trailers. */
  trailersReady?: boolean;
}

export interface StreamHandle {
  rstStream?(code: number): void;
  destroy?(): void;
  getAsyncId?(): number;
  onread?: unknown;
  /** Octets that it has been given; of a stream that has come to its end, until that has been told. */
  readonly bytesWritten?: number;
}

/** Earlier versions note it from when it is so. */
const NOTES_END_FROM_START = Number.parseInt(process.versions.node, 10) > 24;

/** Whether the session has been told of the end of the content of a stream; undefined where nobody knows. */
export function isShutDown(stream: ServerHttp2Stream): boolean | undefined {
  return stateOf(stream)?.shutdownWritableCalled ?? (NOTES_END_FROM_START ? undefined : false);
}

/** Whether Node is not to end a stream behind what is written now, as it does once the app has ended it. */
export function keepOpen(stream: ServerHttp2Stream, isOpen: boolean): void {
  const state = stateOf(stream);
  if (state !== undefined) state.shutdownWritableCalled = isOpen;
}

/** Whether Node waits for the trailers of a stream. */
export function isAskedForTrailers(stream: ServerHttp2Stream): boolean {
  return stateOf(stream)?.trailersReady === true;
}

/** Whether Node has destroyed a session, whatever that shows: while it is being answered the app finds what it asked for. */
export function isDestroyed(session: Http2Session): boolean {
  return Reflect.get(Object.getPrototypeOf(session), "destroyed", session) as boolean;
}

/** A session as it is, of which Node tells nothing more where that shows its end already. */
export function unended(session: Http2Session): Http2Session {
  if (!session.destroyed) return session;
  return Object.create(session, { destroyed: { value: isDestroyed(session) } }) as Http2Session;
}

export function stateOf(stream: ServerHttp2Stream): StreamState | undefined {
  return inside(stream, "state") as StreamState | undefined;
}

export function handleOf(stream: ServerHttp2Stream): StreamHandle | undefined {
  return inside(stream, "kHandle") as StreamHandle | undefined;
}

/** The socket below a session, of which Node shows only a part. */
export function socketOf(session: Http2Session): Socket | undefined {
  return inside(session, "socket") as Socket | undefined;
}

/** Symbols of Node's for what it keeps inside of streams, by their description: the same for all. */
const symbols = new Map<string, symbol>();

function inside(stream: object, description: string): unknown {
  let symbol = symbols.get(description);
  if (symbol === undefined || !(symbol in stream)) {
    symbol = Object.getOwnPropertySymbols(stream).find((one) => one.description === description);
    if (symbol === undefined) return undefined;
    symbols.set(description, symbol);
  }
  return (stream as unknown as Record<symbol, unknown>)[symbol];
}

/** Whether a stream has ended on its own account: the client is gone, and nothing can be answered any more. */
export function isGone(stream: ServerHttp2Stream): boolean {
  if (stream.destroyed || stream.closed || stream.aborted) return true;
  const { session } = stream;
  // Node closes the streams of a socket that is gone before it closes the session.
  return session === undefined || isDestroyed(session) || session.socket?.destroyed !== false;
}
