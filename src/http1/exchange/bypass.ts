import type { Exchange } from "../../exchange/exchange.js";
import { CHUNKED } from "../../exchange/framing.js";
import { MESSAGES } from "../../report/log.js";
import { framingOf } from "../message/framing.js";
import type { Http1Exchange } from "./http1-exchange.js";

/** Whether octets reach the socket past the methods of the response, and are Node's own. */
export function goesPast(exchange: Exchange | undefined): boolean {
  return exchange?.hasNodeResponse === true && (exchange.passing || isBypassed(exchange as Http1Exchange));
}

/** Whether octets of Node's own have left through `_send` or `_flushOutput`, past the methods of the guard. */
export function isBypassed(exchange: Http1Exchange): boolean {
  const { response, supervisor } = exchange;
  if (!response._headerSent || exchange.phase.isVoid || exchange.raw !== null) return false;
  if (exchange.phase.isCommitted) return response.outputData.length > 0 && response.socket !== null;
  // Too late to hold this one back: it is only watched.
  exchange.passing = true;
  exchange.phase = exchange.phase.after.commit;
  const framing = framingOf(response);
  // What has gone past the guard is counted by nobody.
  exchange.framing = framing.kind === "length" ? CHUNKED : framing;
  exchange.status = response.statusCode;
  supervisor.committed(exchange);
  supervisor.warn({}, MESSAGES.bypassed);
  return true;
}
