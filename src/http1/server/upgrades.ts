import { setImmediate } from "../../clock.js";
import { contained, tellFailure } from "../../containment.js";
import type { Exchange } from "../../exchange/exchange.js";
import { IncomingMessage } from "../../node-http.js";
import type { Failure } from "../../report/incidents.js";
import { runningFunctions } from "../../stack.js";
import { isDestroyed, isWritable } from "../connection/gone-socket.js";
import { anyExchangeOf } from "../connection/http1-exchange-of.js";
import type { SocketExchange } from "../exchange/socket-exchange.js";
import { connectionOf } from "../methods/connection-of.js";
import { callListeners } from "./listeners.js";
import type { Http1Server, ServerGuard } from "./server-guard.js";

/** Servers of which Node was told that somebody listens for what it emits next, where nobody does. */
const unheard = new WeakSet<object>();

/**
 * Makes a `listenerCount` for a server. Node asks it about each upgrade and each CONNECT, and destroys the socket of one
 * that nobody listens for: it is told to emit that all the same.
 */
export function hearsUpgrades(below: Http1Server["listenerCount"]): Http1Server["listenerCount"] {
  return function listenerCount(this: Http1Server, ...args) {
    const count = Reflect.apply(below, this, args) as number;
    if (count > 0 || (args[0] !== "connect" && args[0] !== "upgrade")) return count;
    if (!runningFunctions()[1]?.startsWith("onParserExecuteCommon ")) return count;
    unheard.add(this);
    return 1;
  };
}

/** Hands an upgrade or a CONNECT to whoever listens: from here on there is only the socket to answer on. */
export function emitUpgrade(
  server: Http1Server,
  below: Http1Server["emit"],
  guard: ServerGuard,
  event: string,
  args: unknown[],
): boolean {
  const [request] = args;
  const isUnheard = unheard.delete(server) && server.listenerCount(event) === 0;
  const pass = () => Reflect.apply(below, server, [event, ...args]) as boolean;
  // Emitted by hand, for a test, with something that is no request of this server.
  if (!(request instanceof IncomingMessage) || !(request.socket as object | null)) return pass();
  let exchange: Exchange;
  try {
    exchange = handedOn(request) ?? open(guard, request, event);
    if (guard.refusesDirect(exchange)) return true;
    exchange.examined = true;
  } catch (error) {
    // Whatever the guard cannot do, the app gets its request.
    tellFailure(guard.witness, error);
    return pass();
  }
  if (!isUnheard) return callListeners(guard, server, below, event, args, exchange);
  const { socket } = request;
  if (!(exchange as SocketExchange).unanswered()) connectionOf(socket).own(() => socket.destroy());
  return true;
}

/** The exchange of a request that another server, or an app that has got it like any other, hands on as an upgrade. */
function handedOn(request: IncomingMessage): Exchange | undefined {
  const known = anyExchangeOf(request);
  return known?.hasNodeResponse && !known.isWatched ? undefined : known;
}

function open(guard: ServerGuard, request: IncomingMessage, event: string): SocketExchange {
  const { socket } = request;
  const last = [...connectionOf(socket)].at(-1);
  const isConnect = event === "connect";
  const message = `Nobody listens for ${isConnect ? "CONNECT" : "upgrades"} here; bare Node closes the connection.`;
  const otherwise: Failure = { code: "MC-2", message, prevented: 520, status: isConnect ? 501 : 500, closes: true };
  const exchange = guard.openSocket(request, socket, otherwise);
  if (last === undefined) return exchange;
  // Pipelined behind a request that is not answered yet: whatever a listener writes now would be the answer to that one.
  exchange.waitForTurn();
  const turn = contained(guard.witness, () => {
    if (!isDestroyed(socket) && isWritable(socket)) exchange.takeTurn();
  });
  last.whenSettled = () => void setImmediate(turn);
  return exchange;
}
