import { ruleBroken } from "../incidents.js";
import { swallow } from "./content.js";
import type { Http1Exchange } from "./http1-exchange.js";
import { checkInterim } from "./interim.js";
import { versionOf, type WriteCallback } from "./node-internals.js";

/** Stands in front of `_writeRaw` for what does not come from `_send`: interim responses. */
export function passInterim(
  exchange: Http1Exchange,
  data: string | Uint8Array,
  encoding: BufferEncoding | null | undefined,
  callback: WriteCallback,
): boolean {
  // Before its turn Node would put the header section in front of it, and the interim response into the content.
  if (exchange.inert || (exchange.response.socket === null && exchange.supervisor.enforces))
    return swallow(exchange, callback);
  const verdict = checkInterim(String(data), {
    version: versionOf(exchange.request),
    afterFinal: exchange.response._header !== null,
    before: exchange.interims,
    most: exchange.supervisor.settings.edge.maxInterimResponses,
  });
  if (verdict !== null && !exchange.supervisor.enforces) {
    exchange.supervisor.report(exchange, ruleBroken(verdict.rule, verdict.found), "reported");
  } else if (verdict !== null) {
    // A flood is one incident, however long it is.
    if (verdict.rule !== "IR-6" || !exchange.flooded) exchange.repaired(ruleBroken(verdict.rule, verdict.found));
    exchange.flooded ||= verdict.rule === "IR-6";
    if (verdict.octets === null) {
      if (typeof callback === "function") process.nextTick(callback);
      return true;
    }
    data = verdict.octets;
  }
  exchange.interims++;
  const was = exchange.passing;
  exchange.passing = true;
  try {
    return exchange.native._writeRaw.call(exchange.response, data, encoding, callback);
  } finally {
    exchange.passing = was;
  }
}
