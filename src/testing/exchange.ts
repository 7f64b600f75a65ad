import type { ResponseEnd } from "../parser/octet-stream.js";
import type { Problem } from "../parser/problems.js";
import type { ParsedResponse } from "../parser/response.js";
import { badArgument, checkNames } from "./argument.js";
import { Conversation, type Settings } from "./conversation.js";
import { type ExchangeRequest, encodeRequest, type Outgoing, readRequests } from "./request.js";
import { type Endpoint, resolveTarget, type Target } from "./target.js";

export type { ExchangeRequest, Target };

export interface ExchangeOptions {
  /** Longest duration of the whole exchange, in milliseconds. @default 10_000 */
  timeoutMs?: number;
  /**
   * How long to listen for surplus octets or a close behind the last response, in milliseconds. A close that was
   * announced is awaited for a second at least. @default 30
   */
  keepOpenMs?: number;
  /** Ends our side after the last octet of the last request. @default false */
  halfClose?: boolean;
  /** Writes all requests at once, not each when the response before it is complete. @default false */
  pipeline?: boolean;
  /** Writes requests in pieces. @default "whole" */
  writes?: "whole" | { chunkOctets: number; delayMs: number };
  /** Resets the connection from our side. */
  signal?: AbortSignal;
  /** Resets the connection from our side, so many milliseconds after the first write. */
  abortAfterMs?: number;
  /** Reads nothing for so many milliseconds, so that the server feels back pressure. @default 0 */
  pauseReadingMs?: number;
  /** Leaves the connection idle for so many milliseconds before each request but the first. @default 0 */
  idleMs?: number;
  /** Gives up behind so many octets; the rest is not read. @default no limit */
  maxOctets?: number;
}

/** What came back, and how it ended. Times count in milliseconds from the call. */
export interface ExchangeResult {
  readonly responses: ParsedResponse[];
  /** Those of every response, octets that belong to none, requests without an answer, an announced close not made. */
  readonly problems: Problem[];
  /** Everything received. */
  readonly octets: Buffer;
  /** `"open"`: we stopped first. `"reset"`: also when there was no connection at all. */
  readonly end: ResponseEnd;
  readonly timedOut: boolean;
  /** Of the connection: refused, reset, TLS. */
  readonly error: Error | undefined;
  /** `maxOctets` was reached. */
  readonly tooMuch: boolean;
  readonly firstOctetMs: number | undefined;
  readonly lastOctetMs: number | undefined;
  readonly ms: number;
  /** As many responses as requests up to one that closes, all complete, no problem at all. */
  readonly valid: boolean;
}

const DEFAULTS = {
  timeoutMs: 10_000,
  keepOpenMs: 30,
  halfClose: false,
  pipeline: false,
  writes: "whole",
  pauseReadingMs: 0,
  idleMs: 0,
  maxOctets: Number.POSITIVE_INFINITY,
} as const;
const NAMES = [...Object.keys(DEFAULTS), "signal", "abortAfterMs"];
const DURATIONS = ["timeoutMs", "keepOpenMs", "abortAfterMs", "pauseReadingMs", "idleMs"] as const;

/**
 * Sends requests over one connection and returns every response, octet for octet, and how the connection ended.
 * Whatever the server does is in the result. A request given as string (latin1) or octets is written as it is.
 * @throws {TypeError} `ERR_RAYGUARD_INVALID_ARGUMENT`, as a rejection, for a bad argument.
 */
export async function exchange(
  target: Target,
  request: string | Uint8Array | ExchangeRequest | readonly ExchangeRequest[],
  options: ExchangeOptions = {},
): Promise<ExchangeResult> {
  const settings = resolveOptions(options);
  const endpoint = resolveTarget(target);
  const outgoing = toOutgoing(request, endpoint, settings.pipeline);
  const { reader, problems, ...outcome } = await new Conversation(endpoint, outgoing, settings).run();
  const { responses, stream } = reader;
  // Every incomplete response and every request without an answer is among the problems.
  const valid = problems.length === 0;
  return { responses, problems, octets: stream.slice(0, stream.length), ...outcome, valid };
}

function resolveOptions(options: ExchangeOptions): Settings & { pipeline: boolean } {
  checkNames(options, NAMES, "The options of exchange()");
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const settings: Settings & { pipeline: boolean } = { ...DEFAULTS, ...given };
  for (const name of DURATIONS) {
    const value: unknown = settings[name];
    if (value !== undefined && !isDuration(value)) {
      throw badArgument(`${name} must be a number of milliseconds, 0 or more; got ${String(value)}.`);
    }
  }
  const { writes, maxOctets } = settings;
  if (typeof maxOctets !== "number" || !(maxOctets > 0)) {
    throw badArgument(`maxOctets must be a number of octets, 1 or more; got ${String(maxOctets)}.`);
  }
  if (writes === "whole") return settings;
  if (!Number.isInteger(writes?.chunkOctets) || writes.chunkOctets < 1 || !isDuration(writes.delayMs)) {
    throw badArgument('writes must be "whole" or { chunkOctets: 1 or more, delayMs: 0 or more }.');
  }
  return settings;
}

/** Whether a timer takes it for what it is. */
function isDuration(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value < 2 ** 31;
}

function toOutgoing(
  request: string | Uint8Array | ExchangeRequest | readonly ExchangeRequest[],
  { host, path }: Endpoint,
  pipeline: boolean,
): Outgoing[] {
  if (typeof request === "string") {
    const wide = /[^\0-\xff]/.exec(request)?.[0];
    if (wide !== undefined) throw badArgument(`A request given as string has octets only; got ${wide}. Pass a Buffer.`);
    return [readRequests(Buffer.from(request, "latin1"))];
  }
  if (request instanceof Uint8Array) return [readRequests(Buffer.from(request))];
  const requests = Array.isArray(request) ? (request as readonly ExchangeRequest[]) : [request as ExchangeRequest];
  if (requests.length === 0) throw badArgument("There must be one request at least; got an empty array.");
  const outgoing = requests.map((one) => encodeRequest(one, host, path));
  if (!pipeline) return outgoing;
  return [
    { octets: Buffer.concat(outgoing.map((one) => one.octets)), requests: outgoing.flatMap((one) => one.requests) },
  ];
}
