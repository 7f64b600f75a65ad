import type { ServerHttp2Session } from "node:http2";
import { Socket } from "node:net";
import { setImmediate } from "../clock.js";
import { contain, contained, type Witness } from "../containment.js";
import type { Exchange } from "../exchange/exchange.js";
import { NO_ERROR } from "./codes.js";
import { failureOf } from "./ending.js";
import type { Http2Exchange } from "./http2-exchange.js";
import { isDestroyed } from "./internals.js";
import { destroyedWith, type Leaving, whenSent } from "./leaving.js";
import { behindResets } from "./reset.js";

/** What the interception of a session asks of its guard. */
export interface SessionGuard {
  /** Told of what fails in the guard itself. */
  readonly witness: Witness;
  /** Sessions that are open. */
  readonly sessions: Set<ServerHttp2Session>;
  readonly supervisor: { exchanges(): Iterable<Exchange> };
}

type Emit = (this: object, event: string, ...args: unknown[]) => boolean;
type Destroy = (this: object, ...args: unknown[]) => unknown;

/**
 * Overrides `destroy()` of a session, and of its socket: what the app still owes is answered before the
 * connection ends, or visibly broken off.
 */
export function guardSession(session: ServerHttp2Session, socket: unknown, guard: SessionGuard): void {
  if (guard.sessions.has(session)) return;
  guard.sessions.add(session);
  const below = session.destroy as Destroy;
  const emitBelow = session.emit as Emit;
  const emit: Emit = function emit(event, ...args) {
    if (event === "close") guard.sessions.delete(session);
    return Reflect.apply(emitBelow, this, [event, ...args]);
  };
  const endSession = (error: unknown, code: unknown) => {
    Reflect.deleteProperty(session, "destroyed");
    below.call(session, error, code);
  };
  let asked: { error: unknown; code: unknown } | null = null;
  const ending: Ending = { isUnderWay: false };
  const destroy = function destroy(this: ServerHttp2Session, error?: unknown, code?: unknown): void {
    // Who asks once more is not to be in front of the answers either.
    if (ending.isUnderWay && !isEnded(session, error)) return;
    // Node ends a closed session behind its last stream; it ends as the app has asked for.
    if (asked !== null) return void endSession(asked.error, asked.code);
    if (isEnded(session, error)) return void endSession(error, code);
    asked = { error, code };
    answerAll(guard, session, ending, "session.destroy", leavingOf(error, code), () => endSession(error, code));
    // What the app has asked for is what it finds.
    if (!isDestroyed(session)) Object.defineProperty(session, "destroyed", { get: () => true, configurable: true });
  };
  for (const [name, value] of Object.entries({ destroy, emit }))
    Object.defineProperty(session, name, { value, configurable: true, writable: true, enumerable: false });
  if (socket instanceof Socket) guardSocket(socket, session, ending, guard);
}

/** What a session owes is being answered, and its end waits for that. */
interface Ending {
  isUnderWay: boolean;
}

function guardSocket(socket: Socket, session: ServerHttp2Session, ending: Ending, guard: SessionGuard): void {
  let isAsked = false;
  const answers = (error: unknown, how: "socket.destroy" | "socket.end", end: () => void) => {
    const { syscall, code } = (error ?? {}) as NodeJS.ErrnoException;
    // An end of the client's, or an error of the transport's; of the one below TLS that is all there is to see.
    const { _parent: below } = socket as Socket & { readonly _parent?: Socket };
    const isGone =
      below?.destroyed === true ||
      !socket.writable ||
      socket.readableEnded ||
      syscall !== undefined ||
      /^(?:EPROTO|ERR_SSL)/.test(code ?? "");
    if (isGone || socket.destroyed || isEnded(session, error)) return end();
    if (ending.isUnderWay) return;
    if (isAsked) return end();
    isAsked = true;
    const leaving = error ? leavingOf(error, undefined) : CLOSED;
    answerAll(guard, session, ending, how, leaving, end);
  };
  // Two of them end the socket first, and its end would come in front of the answers.
  for (const name of ["destroy", "destroySoon", "end"] as const) {
    const below = socket[name] as Destroy;
    const isEnd = name === "end";
    const value = function (this: Socket, ...args: unknown[]): Socket {
      answers(isEnd ? undefined : args[0], isEnd ? "socket.end" : "socket.destroy", () => void below.apply(this, args));
      return this;
    };
    Object.defineProperty(socket, name, { value, configurable: true, writable: true, enumerable: false });
  }
}

/** Ends what a session owes, and then the session. */
function answerAll(
  { supervisor, witness }: SessionGuard,
  session: ServerHttp2Session,
  ending: Ending,
  how: "session.destroy" | "socket.destroy" | "socket.end",
  leaving: Leaving,
  end: () => void,
): void {
  const left = new Set<Http2Exchange>();
  const failure = failureOf(leaving, how);
  const endIt = () => {
    ending.isUnderWay = false;
    end();
  };
  let owes = false;
  contain(witness, () => {
    for (const one of [...supervisor.exchanges()]) {
      if (one.session !== session) continue;
      const exchange = one as Http2Exchange;
      owes ||= !exchange.isWatched;
      // A socket tells its session in a later turn.
      if (exchange.endsWith(failure, leaving, how === "session.destroy")) left.add(exchange);
    }
  });
  if (!owes) return end();
  ending.isUnderWay = true;
  if (left.size === 0) return void setImmediate(contained(witness, endIt));
  // No stream is to come between. A session that is closed would leave its end to the client; and behind GOAWAY Node does
  // not come to the end of one whose socket has been ended.
  if (how !== "socket.end") session.goaway();
  for (const exchange of left) {
    const { stream } = exchange;
    const done = contained(witness, () => {
      if (left.delete(exchange) && left.size === 0) behindResets(witness, endIt);
    });
    stream.once(
      "finish",
      contained(witness, () => whenSent(stream, witness, done)),
    );
    stream.once("close", done);
  }
}

/** What Node tells the streams of a socket that is gone: CANCEL. */
const CLOSED: Leaving = { error: undefined, code: 8, destroys: false };

/** What the streams of a session are told. Node makes an error of a code. */
function leavingOf(error: unknown, code: unknown): Leaving {
  if (typeof error !== "number") return destroyedWith((error as Error) || undefined, code as number | undefined);
  if (error === NO_ERROR) return destroyedWith(undefined);
  const made = new Error(`Session closed with error code ${error}`);
  return destroyedWith(Object.assign(made, { code: "ERR_HTTP2_SESSION_ERROR" }), error);
}

/** Whether a session ends on its own account: the client has closed it, or has broken the protocol. */
function isEnded(session: ServerHttp2Session, error: unknown): boolean {
  if (isDestroyed(session) || session.socket?.destroyed !== false) return true;
  const { goawayCode } = session as ServerHttp2Session & { readonly goawayCode?: number | null };
  return (goawayCode ?? 0) !== 0 || isProtocolError(error);
}

/** What nghttp2 finds wrong with a client has a number of its own. */
function isProtocolError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, errno, syscall } = error as NodeJS.ErrnoException;
  return syscall === undefined && typeof errno === "number" && /^ERR_HTTP2_/.test(code ?? "");
}
