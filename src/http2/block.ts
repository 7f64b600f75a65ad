import type { ServerHttp2Stream } from "node:http2";
import type { Fields } from "./section.js";

/** Octets nghttp2 reckons with in the longest encoding of a field line beside its name and value, and for the frame. */
const LINE = 12;
const FRAME = 17;

/** What Node adds to a header section that does not have them. */
const STATUS = LINE + ":status200".length;
const DATE = LINE + "date".length + new Date(0).toUTCString().length;

/** Most octets of a field section that nghttp2 sends, unless the server sets `maxSendHeaderBlockLength`. */
const DEFAULT_LIMIT = 65_536;

const limits = new WeakMap<object, number>();

/** A field section that Node cannot send, as nghttp2 counts it. */
export interface ExcessiveBlock {
  readonly octets: number;
  readonly limit: number;
}

/**
 * Asks whether Node can send a field section. What it cannot send is found out inside the session, too late to answer:
 * the stream ends without a response, and the session behind it.
 */
export function excessOf(stream: ServerHttp2Stream, fields: Fields, addsDate: boolean): ExcessiveBlock | null {
  const added = (":status" in fields ? 0 : STATUS) + (addsDate && fields.date === undefined ? DATE : 0);
  return excess(stream, fields, added);
}

/** The same of trailers, which Node leaves out without a word. It adds nothing to them. */
export function excessOfTrailers(stream: ServerHttp2Stream, fields: Fields): ExcessiveBlock | null {
  return excess(stream, fields, 0);
}

/** @param added - octets of what Node adds to them */
function excess(stream: ServerHttp2Stream, fields: Fields, added: number): ExcessiveBlock | null {
  let octets = FRAME + added;
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    for (const item of Array.isArray(value) ? value : [value]) octets += LINE + name.length + String(item).length;
  }
  const limit = limitOf(stream);
  return octets > limit ? { octets, limit } : null;
}

function limitOf({ session }: ServerHttp2Stream): number {
  const server = (session as { server?: object } | undefined)?.server;
  if (server === undefined) return DEFAULT_LIMIT;
  let limit = limits.get(server);
  if (limit === undefined) {
    const kOptions = Object.getOwnPropertySymbols(server).find(({ description }) => description === "options");
    const options =
      kOptions && (server as Record<symbol, { maxSendHeaderBlockLength?: unknown } | undefined>)[kOptions];
    const given = options?.maxSendHeaderBlockLength;
    limit = typeof given === "number" ? given : DEFAULT_LIMIT;
    limits.set(server, limit);
  }
  return limit;
}
