import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { nextTick, setImmediate } from "../../clock.js";
import { type IncomingMessage, OutgoingMessage } from "../../node-http.js";
import { isDestroyed, showEnded, showGone } from "../connection/gone-socket.js";
import { leaveServer } from "../connection/leave-server.js";
import type { WithResponse } from "../connection/on-connection.js";
import { tellSocketClosed, tellSocketFinished } from "../connection/socket-close.js";
import { abortSignalOf, type NodeResponse, type NodeSocket } from "../node/node-internals.js";
import type { Http1Exchange } from "./http1-exchange.js";

interface Connection {
  readonly socket: NodeSocket;
  looksGone: boolean;
}

/** The app, or the guard in its place, has ended the connection with this exchange: nothing behind it is answered. */
export function tellDeparture(exchange: Http1Exchange): void {
  setImmediate(tellNow, exchange);
}

/** The same of a response behind others: in its turn, as Node destroys the socket only then. */
export function tellDepartureAtTurn(exchange: Http1Exchange): void {
  exchange.tellDeparture ??= () => tellNow(exchange);
}

function tellNow(exchange: Http1Exchange): void {
  const behind: WithResponse[] = [];
  for (let at = exchange.following; at !== null; at = at.following) {
    at.passOver();
    behind.push(at);
  }
  tell(exchange.connection, [exchange, ...behind]);
}

/**
 * The client has closed its side, or sent what is no request: Node would end the connection, and take nothing of what the
 * app still answers. It goes out all the same, in case somebody waits for it.
 */
export function tellClientLeft(connection: Iterable<WithResponse> & Connection): void {
  const waiting: WithResponse[] = [];
  let isTold = isDestroyed(connection.socket); // Node tells
  let endsFirst = false;
  const tellNow = () => {
    if (isTold || isDestroyed(connection.socket)) return;
    isTold = true;
    for (const exchange of waiting) exchange.clientLeft();
    if (endsFirst && connection.socket.readableEnded) tellSocketFinished(connection.socket);
    tell(connection, waiting);
  };
  for (const exchange of connection) {
    // One that has ended behind another is not heard of until its turn has come.
    if (exchange.phase.isOver && !exchange.isQueued) continue;
    exchange.goneBy ??= "client";
    exchange.tellDeparture = tellNow;
    waiting.push(exchange);
  }
  // What has come with the end of the connection gets its turn first, as it would while Node closes its own side.
  if (waiting.length === 0) return;
  // In the middle of a request, Node leaves its own side to the listeners for `clientError`, which ask whether they can write.
  endsFirst = waiting.every(({ request }) => request.complete);
  if (endsFirst) showEnded(connection);
  setImmediate(tellNow);
}

/**
 * What Node tells an app of a connection that is gone, told while the guard keeps the connection: to answer on it in the
 * app's place, or since the client may only have closed its own side. Nothing in the app may wait for that difference.
 */
function tell(connection: Connection, exchanges: readonly WithResponse[]): void {
  const { socket } = connection;
  // Where another response is under way in front of them, it is that which has the socket.
  const haveSocket = exchanges.some(({ response }) => response.socket !== null);
  forgetTimeout(socket);
  if (haveSocket) {
    // Fastify asks for it when a handler's promise has gone on, as late as that may be.
    showGone(connection);
    leaveServer(socket);
  }
  const told = exchanges.filter(({ request }) => !isBeingRead(request));
  for (const { request } of told) abortRequest(request);
  for (const exchange of exchanges) {
    if (exchange.response.socket !== null) continue;
    exchange.goneInQueue = true;
    if (TELLS_QUEUED) closeQueued(exchange.response);
  }
  const close = () => {
    for (const { response } of exchanges) if (response.socket !== null) closeResponse(response);
  };
  if (haveSocket) tellSocketClosed(socket, Boolean(socket.errored), close);
}

/** No timeout is told of a socket that is gone, nor does one end it while the guard needs it: that has limits of its own. */
function forgetTimeout(socket: NodeSocket): void {
  const { timeout } = socket;
  if (!timeout) return;
  socket.setTimeout(0);
  (socket as { timeout?: number }).timeout = timeout; // as the app has set it
}

/** Ends a request as Node ends each one of a connection that is gone. What still arrives of it is thrown away. */
export function abortRequest(request: IncomingMessage): void {
  if (request.destroyed) return;
  leaveConnection(request);
  Readable.prototype.destroy.call(request, connectionReset());
}

/** From here on the stream of a request can be destroyed without its connection. */
export function leaveConnection(request: IncomingMessage): void {
  // The parser goes on reading, but hands nothing to a stream that would ask it to stop.
  (request as IncomingMessage & { _dumped: boolean })._dumped = true;
  Reflect.defineProperty(request, "_destroy", { value: destroyAlone, configurable: true, writable: true });
}

function destroyAlone(this: IncomingMessage, error: Error | null, callback: (error?: Error | null) => void): void {
  if (!this.readableEnded || !this.complete) {
    this.aborted = true;
    this.emit("aborted");
    abortSignalOf(this);
  }
  // Node emits `error` only where somebody listens for it.
  nextTick(() => callback(this.listenerCount("error") === 0 ? null : error));
}

/** Whether the app is on its way through a request that has arrived as a whole: that ends by itself. */
function isBeingRead(request: IncomingMessage): boolean {
  if (!request.complete || request.readableEnded || request.readableLength === 0) return false;
  const { pipes } = (request as IncomingMessage & { _readableState: { pipes: unknown[] } })._readableState;
  return request.readableFlowing === true || pipes.length > 0 || request.listenerCount("readable") > 0;
}

/** Lets Node turn to what follows a response that has not finished in the app's view. @returns false where it cannot */
export function finishUnseen(exchange: Http1Exchange): boolean {
  const { response } = exchange;
  const own = response.rawListeners("finish").find(({ name }) => name === "bound resOnFinish");
  if (own === undefined) return false;
  exchange.tellDeparture?.();
  const { socket, finished } = response;
  // Once is enough: the app may end what something else has taken the place of, before that is out or behind it.
  if ((socket as NodeSocket | null)?._httpMessage !== response) return true;
  response.finished = true;
  own.call(response);
  if (!finished) {
    // The app has never ended it; that it is over is still to be told from its socket.
    response.finished = false;
    (response as { socket: Socket | null }).socket = socket;
    Reflect.defineProperty(response, "writableFinished", { value: false, configurable: true });
  }
  return true;
}

/**
 * Whether a response whose connection is gone is about to end without Node taking it for finished: it has not been told to
 * be closed, but its socket takes nothing any more.
 */
export function isNeverFinished({ capturing, goneInQueue, response, phase, reopened }: Http1Exchange): boolean {
  if (capturing) return true;
  if ((response._closed && !goneInQueue) || (phase.isVoid && reopened)) return false;
  Reflect.defineProperty(response, "writableFinished", { value: false, configurable: true });
  return true;
}

function closeResponse(response: NodeResponse): void {
  if (response._closed) return;
  response.destroyed = true;
  response._closed = true;
  keepUncorking(response);
  response.emit("close");
}

/** From Node 26 on `uncork()` drops the chunks of a response that is destroyed. */
function keepUncorking(response: NodeResponse): void {
  const { uncork } = response;
  Reflect.defineProperty(response, "uncork", {
    value: function keptUncork(this: NodeResponse) {
      const { destroyed } = this;
      this.destroyed = false;
      uncork.call(this);
      this.destroyed = destroyed;
    },
    configurable: true,
    writable: true,
  });
}

/** An app has destroyed a response that has not had its turn, which Node from 24 on tells it at once. */
export function destroyedBeforeTurn(response: NodeResponse): void {
  if (TELLS_QUEUED) nextTick(closeResponse, response);
}

/** A response that has not had its turn. */
function closeQueued(response: NodeResponse): void {
  if (response.destroyed) return;
  markDestroyed(response, connectionReset());
  nextTick(closeResponse, response);
}

/** Makes a response look as if the app, or Node, had destroyed it. */
export function markDestroyed(response: NodeResponse, error: Error | undefined): void {
  response.destroyed = true;
  // A property of the response alone: where Node finds an error, it never finishes the answer that follows.
  Reflect.defineProperty(response, "errored", { value: error, configurable: true });
}

/** Node before 24 tells nobody of a response that has not had its turn; the change came with this one. */
const TELLS_QUEUED = new OutgoingMessage().destroy().listenerCount("socket") === 0;

function connectionReset(): Error {
  return Object.assign(new Error("aborted"), { code: "ECONNRESET" });
}
