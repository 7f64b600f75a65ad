import type { RawResponse } from "../message/raw-response.js";
import type { Http1Exchange } from "./http1-exchange.js";

/**
 * The 101 of an app is on its way, through the response or written by hand: behind it the connection is another protocol's
 * (RFC 9110, section 7.8), and the app's alone. As an upgrade its exchange is over then, for as long as that may last.
 */
export function switchProtocols(exchange: Http1Exchange): void {
  const { connection } = exchange;
  connection.remove(exchange);
  connection.detached = null;
  connection.upgraded();
  exchange.settle(true);
}

/** Whether what an app has written by hand is a 101 that the client has asked for, at its turn. */
export function isSwitching({ connection, request }: Http1Exchange, raw: RawResponse): boolean {
  return raw.upgrade() === 101 && request.headers.upgrade !== undefined && connection.first?.request === request;
}
