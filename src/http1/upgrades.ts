import { setImmediate } from "../clock.js";
import { contained } from "../containment.js";
import { IncomingMessage } from "../node-http.js";
import type { Failure } from "../report/incidents.js";
import { connectionOf } from "./connection-of.js";
import { isDestroyed, isWritable } from "./gone-socket.js";
import { callListeners } from "./listeners.js";
import type { Http1Server, ServerGuard } from "./server-guard.js";

/** Hands an upgrade or a CONNECT to whoever listens: from here on there is only the socket to answer on. */
export function emitUpgrade(
  server: Http1Server,
  below: Http1Server["emit"],
  guard: ServerGuard,
  event: string,
  args: unknown[],
): boolean {
  const request = args[0] as IncomingMessage;
  // Emitted by hand, for a test, with something that is no request of this server.
  if (!(request instanceof IncomingMessage)) return Reflect.apply(below, server, [event, ...args]) as boolean;
  const connection = connectionOf(request.socket);
  const isConnect = event === "connect";
  const message = isConnect
    ? "Nobody answers CONNECT here; Node would have closed the connection."
    : "The upgrade listener did not answer.";
  const otherwise: Failure = { code: "MC-2", message, prevented: 520, status: isConnect ? 501 : 500, closes: true };
  const { socket } = request;
  const last = [...connection].at(-1);
  const exchange = guard.openSocket(request, socket, otherwise);
  if (last !== undefined) {
    // Pipelined behind a request that is not answered yet: whatever a listener writes now would be the answer to that one.
    exchange.waitForTurn();
    const turn = contained(guard.witness, () => {
      if (!isDestroyed(socket) && isWritable(socket)) exchange.takeTurn();
    });
    last.whenSettled = () => void setImmediate(turn);
  }
  if (guard.refusesDirect(exchange)) return true;
  exchange.examined = true;
  return callListeners(guard, server, below, event, args, exchange);
}
