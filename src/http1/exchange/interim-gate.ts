import { ruleBroken } from "../../report/incidents.js";
import { checkInterim, Interims } from "../message/interim.js";
import { discard } from "../message/write-callbacks.js";
import { versionOf, type WriteCallback } from "../node/node-internals.js";
import type { Http1Exchange } from "./http1-exchange.js";

/** Longest header section of an interim response that is waited for, in octets. */
const LONGEST_SECTION = 65_536;

/** Whether an app begins its final response with these octets, as far as HTTP goes: those count as written to the socket. */
export function isSwitch(octets: Buffer): boolean {
  return octets.toString("latin1", 0, 13) === "HTTP/1.1 101 ";
}

export function interimsOf(exchange: Http1Exchange): Interims {
  exchange.interims ??= new Interims();
  return exchange.interims;
}

/** Overrides `_writeRaw` for what does not come from `_send`: interim responses, whole or in pieces. */
export function passInterim(
  exchange: Http1Exchange,
  data: string | Uint8Array,
  encoding: BufferEncoding | null | undefined,
  callback: WriteCallback,
): boolean {
  const interims = interimsOf(exchange);
  if (interims.isMuted) return true;
  // Node calls nobody back for a connection that is gone, as it may be in the app's view alone.
  if (exchange.response.destroyed) return false;
  if (exchange.phase.isVoid) return discard(exchange, callback);
  const octets = typeof data === "string" ? Buffer.from(data, encoding ?? "utf8") : Buffer.from(data);
  if (isSwitch(octets) && exchange.socketWrite(octets, false)) return discard(exchange, callback);
  const sections = takeSections(interims, octets.toString("latin1"));
  if (sections.length === 0) return discard(exchange, callback);
  const last = sections.pop() as string;
  for (const section of sections) sendInterim(exchange, section, undefined);
  return sendInterim(exchange, last, callback);
}

/** Looks at octets that go out as they are. */
export function watchInterims(exchange: Http1Exchange, octets: Buffer): void {
  const interims = interimsOf(exchange);
  for (const section of takeSections(interims, octets.toString("latin1"))) watchInterim(exchange, section);
}

/** Looks at an interim response that goes out as it is. */
export function watchInterim(exchange: Http1Exchange, section: string): void {
  judged(exchange, section);
  interimsOf(exchange).count++;
}

/** Adds octets, and takes every header section that has come to its end. */
function takeSections(interims: Interims, octets: string): string[] {
  const sections = (interims.begun + octets).split(/(?<=\r\n\r\n)/);
  const rest = sections.at(-1) as string;
  const isWhole = rest.endsWith("\r\n\r\n") || rest.length > LONGEST_SECTION;
  interims.begun = isWhole ? "" : (sections.pop() as string);
  return sections;
}

/** Sends an interim response, or what the rules leave of it, at the turn of its request. */
export function sendInterim(exchange: Http1Exchange, section: string, callback: WriteCallback): boolean {
  const octets = judged(exchange, section);
  const { native, response } = exchange;
  if (octets === null) return !response.finished && discard(exchange, callback);
  const interims = interimsOf(exchange);
  interims.count++;
  // Before its turn Node would put the header section in front of it, and the interim response into the content.
  if (response.socket !== null) return exchange.pass(() => native._writeRaw.call(response, octets, "latin1", callback));
  interims.waiting.push({ octets, callback });
  return true;
}

/** The request is at its turn: nothing of its final response has gone out. */
export function sendWaiting(exchange: Http1Exchange): void {
  const { connection, interims } = exchange;
  for (const { octets, callback } of interims?.waiting.splice(0) ?? []) {
    if (exchange.phase.isVoid) discard(exchange, callback);
    else connection.own(() => connection.call("write", [octets, "latin1", callback ?? undefined]));
  }
}

/** The final header section is decided: what has begun does not come to its end. */
export function dropBegun(exchange: Http1Exchange): void {
  const { interims } = exchange;
  if (interims === null || interims.begun === "") return;
  interims.begun = "";
  exchange.repaired(ruleBroken("IR-4", "The app began an interim response and did not end it; it was dropped."));
}

/** What may go out of an interim response; null for nothing. */
function judged(exchange: Http1Exchange, section: string): string | null {
  const interims = interimsOf(exchange);
  const verdict = checkInterim(section, {
    version: versionOf(exchange.request),
    // Rendered, it has still to go out: `writeHead()` alone sends nothing.
    afterFinal: exchange.response._header !== null && (exchange.phase.isCommitted || exchange.held !== null),
    before: interims.count,
    most: exchange.supervisor.settings.edge.maxInterimResponses,
  });
  if (verdict === null) return section;
  const broken = ruleBroken(verdict.rule, verdict.found);
  // A flood is one incident, however long it is.
  const isTold = verdict.rule === "IR-6" && interims.flooded;
  if (!isTold && !exchange.repaired(broken)) return section;
  interims.flooded ||= verdict.rule === "IR-6";
  return verdict.octets;
}
