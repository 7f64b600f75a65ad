import type { Socket } from "node:net";
import { clearTimeout, nextTick, setImmediate, setTimeout } from "../../clock.js";
import { contain, contained } from "../../containment.js";
import { type Failure, socketFailed } from "../../report/incidents.js";
import type { GuardedConnection } from "../connection/connection.js";
import { isGone } from "../connection/destroyed-by-node.js";
import { isDestroyed, isWritable } from "../connection/gone-socket.js";
import type { OnConnection, WithResponse } from "../connection/on-connection.js";
import { onceClosed } from "../connection/socket-close.js";
import { endWithError } from "../connection/socket-error.js";
import { tellClientLeft } from "../exchange/departure.js";
import type { SocketExchange } from "../exchange/socket-exchange.js";
import { closeSoon } from "../exchange/tear-down.js";
import { connectionOf } from "../methods/connection-of.js";
import { hasFailedHandshake } from "./handshake.js";
import { callListeners } from "./listeners.js";
import { type ClientError, failureFor, isNoRequest, isOfParser, methodIn } from "./parse-error.js";
import type { Http1Server, ServerGuard } from "./server-guard.js";

/** How long a listener for `clientError` may take until the guard answers in its place, in milliseconds. */
const CLIENT_ERROR_PATIENCE_MS = 1_000;

/**
 * How long requests in front of malformed octets may still be answered once the app has been told that their connection is
 * over, in milliseconds. An app that heeds it answers nothing any more.
 */
const LAST_ANSWERS_MS = 5_000;

/** An error of a connection, with whoever wants to hear of it. */
interface Heard {
  readonly guard: ServerGuard;
  readonly connection: GuardedConnection;
  readonly error: ClientError;
  readonly otherwise: Failure;
  /** Somebody listens for `clientError`: Node leaves the connection to them, and would destroy it else. */
  readonly isHeard: boolean;
  /** Calls them; what they write to the socket is the answer of that exchange. */
  call(exchange: OnConnection): void;
  /** Opens the exchange of octets that are no request. */
  open(): SocketExchange;
}

/** Hands on octets that are no request at once, as Node does, and sees that they get one answer, in its turn. */
export function emitClientError(
  server: Http1Server,
  below: Http1Server["emit"],
  guard: ServerGuard,
  error: ClientError,
  socket: Socket,
): boolean {
  const pass = () => Reflect.apply(below, server, ["clientError", error, socket]) as boolean;
  const isSocket = typeof (socket as Partial<Socket> | undefined)?.destroySoon === "function";
  // Emitted by hand, with something that is no socket; or nothing can be written.
  if (!isSocket || hasFailedHandshake(socket)) return pass();
  const connection = connectionOf(socket);
  if (connection.released) return pass();
  if (connection.seemsDestroyed) {
    // The app has destroyed it with this error, and Node must not end it: the guard is about to answer.
    pass();
    return true;
  }
  const present = [...connection];
  // Behind a response that closes, or once the app has ended its connection itself, nothing is read without the guard, nor told.
  if (connection.lingering || present.some(({ goneBy }) => goneBy === "app")) return true;
  const call = (exchange: OnConnection) => {
    const was = connection.culprit;
    connection.culprit = exchange;
    callListeners(guard, server, below, "clientError", [error, socket], exchange);
    connection.culprit = was;
  };
  if (connection.broken) {
    tellAgain(connection, call);
    return true;
  }
  if (isGone(connection, error) || error.code === "ECONNRESET" || error.code === "EPIPE") return pass();
  const isHeard = server.listenerCount("clientError") > 0;
  const otherwise = failureFor(error, isHeard);
  const open = () => guard.openSocket(null, socket, otherwise, methodIn(error));
  const hear = (exchange: OnConnection) => {
    connection.heardBy = exchange;
    connection.isTelling = true;
    const toldAll = () => {
      connection.isTelling = false;
    };
    nextTick(contained(guard.witness, toldAll));
    call(exchange);
  };
  const heard: Heard = { guard, connection, error, otherwise, isHeard, call: hear, open };
  const [first] = present;
  if (first === undefined || isOfParser(error)) {
    connection.broken = true;
    if (error.code === "HPE_HEADER_OVERFLOW") guard.requestHeadersTooLarge(server);
    const last = present.at(-1);
    contain(guard.witness, () => (last === undefined ? answerAlone(heard) : answerBehind(heard, last)));
  } else contain(guard.witness, () => failSocket(heard, first));
  return true;
}

/**
 * Node goes on reading until somebody ends the connection, and tells of whatever else arrives. What has arrived already
 * is told even behind that, in the same turn.
 */
function tellAgain(connection: GuardedConnection, call: Heard["call"]): void {
  const { heardBy, isTelling, socket } = connection;
  if (heardBy !== null && (isTelling || !socket.destroyed)) call(heardBy);
}

/**
 * Whether what is malformed is the rest of a request that has been answered, or nothing that anybody has asked: a recipient
 * would take an answer to that for the one to its next request (MC-7).
 */
function owesNothing(connection: GuardedConnection, error: ClientError): boolean {
  return connection.unread !== null || (connection.hasAnswered && isNoRequest(error));
}

/** Nothing else is under way on the connection. */
function answerAlone(heard: Heard): void {
  const { connection, error, isHeard } = heard;
  const { socket } = connection;
  if (!isHeard) endWithError(connection, error);
  const isSilent = owesNothing(connection, error);
  if (!isDestroyed(socket) && isWritable(socket) && (isHeard || !isSilent)) {
    const exchange = heard.open();
    if (isSilent) unheeded(exchange);
    if (isHeard) heard.call(exchange);
    if (!isSilent) answerFor(heard, exchange);
  }
  if (isSilent) closeSoon(connection);
}

/**
 * Responses are under way. The malformed octets belong to the content of the last request, or come after it: in its place
 * nothing else may be answered, and after it the connection cannot go on.
 */
function answerBehind(heard: Heard, last: WithResponse): void {
  const { connection, guard, isHeard, otherwise } = heard;
  if (!isHeard) {
    endWithError(connection, heard.error);
    tellClientLeft(connection);
    after(heard, LAST_ANSWERS_MS, () => {
      const [first] = connection;
      if (first !== undefined && !first.isOut) first.fail(otherwise);
    });
  }
  if (otherwise.clientGone && last.isOut) {
    if (isHeard) heard.call(unheeded(waiting(heard)));
    connection.abort(false);
  } else if (!last.request.complete && !last.phase.isOver) failLast(heard, last);
  else {
    const isSilent = !last.request.complete || isNoRequest(heard.error);
    connection.endsSilently = isSilent;
    const exchange = isSilent && !isHeard ? undefined : waiting(heard);
    if (isSilent && exchange !== undefined) unheeded(exchange);
    if (isHeard && exchange !== undefined) heard.call(exchange);
    const turn = () => {
      if (isSilent || exchange === undefined) closeSoon(connection);
      else if (isWritable(connection.socket) && !exchange.takeTurn()) answerFor(heard, exchange);
    };
    last.whenSettled = () => void setImmediate(contained(guard.witness, turn));
  }
}

/** The content of a request that is not answered yet is malformed: the listeners may answer it, if it is its turn. */
function failLast(heard: Heard, last: WithResponse): void {
  const { connection, guard, isHeard, otherwise } = heard;
  if (isHeard && !last.isQueued && !last.isOut) {
    last.fault = otherwise;
    heard.call(last);
    if (last.phase.isOver) return;
    // The app may answer it meanwhile; no other request can follow.
    connection.endsSilently = true;
    last.whenSettled = () => void setImmediate(contained(guard.witness, () => closeSoon(connection)));
    after(heard, CLIENT_ERROR_PATIENCE_MS, () => void last.fail(otherwise));
    return;
  }
  if (isHeard) heard.call(unheeded(waiting(heard)));
  last.fail(otherwise);
}

/** Any error but one of the parser is one of the socket itself, with which Node ends the connection at once. */
function failSocket(heard: Heard, first: WithResponse): void {
  const { connection } = heard;
  const failure = socketFailed(heard.error);
  connection.broken = true;
  if (heard.isHeard) {
    first.fault = failure;
    heard.call(first);
    first.fault = undefined;
    // Without their doing nothing has happened.
    if (!first.phase.isVoid) connection.broken = false;
    return;
  }
  endWithError(connection, heard.error);
  if (first.phase.isOver) first.response._last = true;
  // Node, too, answers it with a 400.
  else first.fail({ ...failure, prevented: null });
}

/** A listener may answer later; one that does nothing at all must not leave the client waiting. */
function answerFor(heard: Heard, exchange: SocketExchange): void {
  if (exchange.phase.isOver) return;
  if (heard.isHeard) after(heard, CLIENT_ERROR_PATIENCE_MS, () => void exchange.unanswered());
  else exchange.unanswered();
}

function after({ connection, guard }: Pick<Heard, "connection" | "guard">, ms: number, act: () => void): void {
  const timer = setTimeout(contained(guard.witness, act), ms).unref();
  onceClosed(connection.socket, () => clearTimeout(timer));
}

/** Opens the exchange of octets behind requests that are under way. */
function waiting(heard: Heard): SocketExchange {
  const exchange = heard.open();
  exchange.waitForTurn();
  return exchange;
}

/** The listeners are told all the same; what they write goes nowhere. */
function unheeded(exchange: SocketExchange): SocketExchange {
  exchange.quiet = true;
  exchange.passOver();
  return exchange;
}

/**
 * Notes, where nothing is changed, that a connection is closed for what the client has done, and not the app. Listeners may
 * answer first: then that is told only of what they leave without a response.
 */
export function reportClientError(server: Http1Server, guard: ServerGuard, error: ClientError, socket: Socket): void {
  if (typeof (socket as Partial<Socket> | undefined)?.destroySoon !== "function" || hasFailedHandshake(socket)) return;
  const connection = connectionOf(socket);
  if (connection.broken || connection.released || isGone(connection, error)) return;
  connection.broken = true;
  if (error.code === "HPE_HEADER_OVERFLOW") guard.requestHeadersTooLarge(server);
  const isHeard = server.listenerCount("clientError") > 0;
  const failure = failureFor(error, isHeard);
  const present = [...connection];
  const last = present.at(-1);
  let unread: OnConnection | undefined = last?.request.complete === false ? last : undefined;
  if (last === undefined) {
    // Node's own answer is complete.
    const isOwed = isHeard && isOfParser(error) && !owesNothing(connection, error);
    if (isOwed && isWritable(socket)) unread = guard.openSocket(null, socket, failure, methodIn(error));
  } else if (isHeard) for (const exchange of present) exchange.fault = failure;
  else if (!last.phase.isOver && !failure.clientGone) last.supervisor.report(last, failure, "reported");
  if (isHeard && unread !== undefined && !failure.clientGone)
    after({ guard, connection }, CLIENT_ERROR_PATIENCE_MS, () => void unread.fail(failure));
}
