import { PHASES } from "../../exchange/state.js";
import type { Http1Exchange } from "./http1-exchange.js";

/** Tells a keeper at once of a response that is over: what Node says of it in the next tick may come too late. */
export function tellKeeper(exchange: Http1Exchange): void {
  if (isWithKernel(exchange)) exchange.supervisor.delivered(exchange);
}

/** All of it has been taken by the kernel. */
function isWithKernel(exchange: Http1Exchange): boolean {
  const { request, response, connection } = exchange;
  // Further requests may have been read with this one, and are known once the parser has returned: before that tick.
  if (!request.complete || exchange.following !== null) return false;
  if (exchange.phase !== PHASES.ended || response.outputData.length > 0) return false;
  return connection.socket.writableLength === 0 && connection.unsent === 0 && exchange.afterwards === "idle";
}
