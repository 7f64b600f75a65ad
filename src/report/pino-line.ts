import { tracingChannel } from "node:diagnostics_channel";
import { type Logger, MESSAGES, type RequestRecord } from "./log.js";

/**
 * Lines of requests as pino writes them, made of the fields that are known: pino asks of every member what it is, whether
 * anything is to be done to it and how it is spelled, which is half of what a line costs. A logger is recognised by the
 * members where pino keeps what a line is made of, whichever copy of pino has made it; lines of a logger that does more
 * to them, or to these fields, are left to it.
 */

/** Members of a logger, by the descriptions of their symbols: each copy of pino has symbols of its own. */
const MEMBERS = [
  "asJson",
  "write",
  "chindings",
  "lsCache",
  "time",
  "stream",
  "stringifiers",
  "serializers",
  "formatters",
  "hooks",
  "mixin",
  "messageKey",
  "nestedKey",
  "nestedKeyStr",
  "msgPrefix",
] as const;

type Symbols = Record<(typeof MEMBERS)[number], symbol>;
type Members = Record<symbol, unknown> & Logger & { readonly levels?: { readonly values?: Record<string, unknown> } };

/** pino's level of `info`. */
const INFO = 30;

/** What pino's own functions are called. One that an agent has put in their place does more. */
const OWN = { info: /^function LOG ?\(/, asJson: /^function asJson ?\(/, write: /^function write ?\(/ } as const;

const METADATA = Symbol.for("pino.metadata");
const WILDCARD = "pino.wildcardFirst";

const agents = tracingChannel("pino_asJson");

/** Where a logger writes. */
export interface Destination {
  write(text: string): unknown;
}

/** How one logger, and its children that differ in their bindings alone, write the line of a request. */
export class PinoLine {
  readonly stream: Destination;
  readonly #symbols: Symbols;
  readonly #message: string;
  readonly #stringifiers: unknown;
  readonly #serializers: unknown;
  readonly #prefix: unknown;
  readonly #before: string;
  readonly #after: string;

  /** @throws whatever the members of a logger do that is none of pino's */
  constructor(logger: Members, symbols: Symbols) {
    this.#symbols = symbols;
    this.stream = logger[symbols.stream] as Destination;
    this.#stringifiers = logger[symbols.stringifiers];
    this.#serializers = logger[symbols.serializers];
    this.#prefix = logger[symbols.msgPrefix];
    this.#message = `${typeof this.#prefix === "string" ? this.#prefix : ""}${MESSAGES.request}`;
    const nested = logger[symbols.nestedKey] ? String(logger[symbols.nestedKeyStr]) : undefined;
    const head = (logger[symbols.lsCache] as Record<number, string>)[INFO] + (logger[symbols.chindings] as string);
    const bare = this.#byPino(logger, {}, "").slice(head.length);
    this.#before = nested ?? ",";
    this.#after = nested === undefined ? bare : `}${bare}`;
  }

  /** Whether this is how the logger writes now: its level can change, and a child may have options of its own. */
  isOf(logger: Members): boolean {
    const symbols = this.#symbols;
    return (
      logger[symbols.stream] === this.stream &&
      logger[symbols.stringifiers] === this.#stringifiers &&
      logger[symbols.serializers] === this.#serializers &&
      logger[symbols.msgPrefix] === this.#prefix &&
      (logger[symbols.formatters] as { log?: unknown }).log === undefined &&
      !agents.hasSubscribers
    );
  }

  /** @param isPlain - nobody has had the record in hand: it holds what `recordOf` has put there, and nothing else */
  text(logger: Members, record: RequestRecord, isPlain: boolean): string {
    const time = (logger[this.#symbols.time] as () => string).call(logger);
    const fields = isPlain ? fieldsOf(record) : undefined;
    if (fields === undefined) return this.#byPino(logger, record, time);
    const { lsCache, chindings } = this.#symbols;
    const head = (logger[lsCache] as Record<number, string>)[INFO] + time + (logger[chindings] as string);
    return head + this.#before + fields + this.#after;
  }

  #byPino(logger: Members, record: object, time: string): string {
    const asJson = logger[this.#symbols.asJson] as (...args: unknown[]) => string;
    return asJson.call(logger, record, this.#message, INFO, time);
  }
}

/** By the function that logs: it is the same for a logger and its children of the same level. */
export const pinoLines = new WeakMap<object, PinoLine | null>();

/** How a logger writes the line of a request; null where that is known to the logger alone, or it writes none. */
export function pinoLineOf(logger: Logger): PinoLine | null {
  let line = pinoLines.get(logger.info);
  if (line === undefined) {
    line = recognise(logger as Members);
    pinoLines.set(logger.info, line);
  }
  return line?.isOf(logger as Members) ? line : null;
}

function recognise(logger: Members): PinoLine | null {
  try {
    if (!isText(logger.info, OWN.info)) return null;
    const symbols = symbolsOf(logger);
    if (symbols === undefined || !writesPlainly(logger, symbols)) return null;
    const line = new PinoLine(logger, symbols);
    return SAMPLES.every((sample) => isAlike(line, logger, sample)) ? line : null;
  } catch {
    return null;
  }
}

function isText(value: unknown, source: RegExp): boolean {
  return typeof value === "function" && source.test(Function.prototype.toString.call(value));
}

function symbolsOf(logger: object): Symbols | undefined {
  const found = new Map<string, symbol>();
  for (let object: object | null = logger; object !== null; object = Object.getPrototypeOf(object)) {
    for (const symbol of Object.getOwnPropertySymbols(object)) {
      const { description = "" } = symbol;
      if (!found.has(description)) found.set(description, symbol);
    }
  }
  const entries = MEMBERS.map((name) => [name, found.get(`pino.${name}`)] as const);
  return entries.every(([, symbol]) => symbol !== undefined) ? (Object.fromEntries(entries) as Symbols) : undefined;
}

/** Whether nothing but pino itself decides what the line of a request looks like, and where it goes. */
function writesPlainly(logger: Members, symbols: Symbols): boolean {
  const hooks = logger[symbols.hooks] as Record<string, unknown>;
  const stream = logger[symbols.stream] as Record<PropertyKey, unknown>;
  const stringifiers = logger[symbols.stringifiers] as Record<PropertyKey, unknown>;
  const serializers = logger[symbols.serializers] as Record<string, unknown>;
  const messageKey = logger[symbols.messageKey];
  if (typeof messageKey !== "string") return false;
  const isTouched = (name: string) => stringifiers[name] !== undefined || serializers[name] !== undefined;
  return (
    isText(logger[symbols.asJson], OWN.asJson) &&
    isText(logger[symbols.write], OWN.write) &&
    logger[symbols.mixin] === undefined &&
    (logger[symbols.formatters] as { log?: unknown }).log === undefined &&
    hooks.streamWrite === undefined &&
    // A destination of several asks the logger who wrote, and what.
    stream[METADATA] !== true &&
    typeof stream.write === "function" &&
    logger.levels?.values?.info === INFO &&
    !Object.getOwnPropertySymbols(stringifiers).some(({ description }) => description === WILDCARD) &&
    ![...FIELDS, messageKey].some(isTouched)
  );
}

/** Whether the line is what pino would have written: a pino that writes otherwise than those known goes on writing itself. */
function isAlike(line: PinoLine, logger: Members, sample: RequestRecord): boolean {
  const frozen = frozenTime(logger);
  return line.text(frozen, sample, true) === line.text(frozen, sample, false);
}

/** The logger at a moment that does not pass. */
function frozenTime(logger: Members): Members {
  const symbol = symbolsOf(logger)?.time as symbol;
  const time = (logger[symbol] as () => string).call(logger);
  return Object.create(logger, { [symbol]: { value: () => time } }) as Members;
}

const SAMPLES: readonly RequestRecord[] = [
  {
    ray: null,
    colo: null,
    clientIp: null,
    verified: true,
    method: "GET",
    url: "/",
    status: 0,
    octets: 0,
    ms: 0.1,
    outcome: "intact",
  },
  {
    ray: "0123456789abcdef",
    colo: "AMS",
    clientIp: "2001:db8::7",
    verified: false,
    method: "M",
    url: `/?a=~'${"x".repeat(200)}`,
    status: 200,
    octets: 1e21,
    ms: 1e-7,
    outcome: "torn down",
    incident: "MC-2",
    claimedIp: "192.0.2.1",
    direct: true,
  },
];

const FIELDS = Object.keys(SAMPLES[1] as RequestRecord);

/** What a string has in it that JSON, or pino, spells in another way than as it is. */
const SPELLED = /["\\\x00-\x1f\ud800-\udfff]/;

/**
 * The fields in the order of the record, as JSON; undefined where one is not as plain as they nearly always are. All in one
 * place: calls for each would be a good part of what this costs.
 */
function fieldsOf(record: RequestRecord): string | undefined {
  const { ray, colo, clientIp, method, url, status, octets, ms, incident, claimedIp } = record;
  // Neither infinite nor NaN.
  if (status - status !== 0 || octets - octets !== 0 || ms - ms !== 0) return;
  if (SPELLED.test(url) || SPELLED.test(method)) return;
  if ((ray !== null && SPELLED.test(ray)) || (colo !== null && SPELLED.test(colo))) return;
  if (clientIp !== null && SPELLED.test(clientIp)) return;
  let fields = `"ray":${ray === null ? "null" : `"${ray}"`},"colo":${colo === null ? "null" : `"${colo}"`},"clientIp":${clientIp === null ? "null" : `"${clientIp}"`},"verified":${record.verified},"method":"${method}","url":"${url}","status":${status},"octets":${octets},"ms":${ms},"outcome":"${record.outcome}"`;
  if (incident !== undefined) {
    if (SPELLED.test(incident)) return;
    fields += `,"incident":"${incident}"`;
  }
  if (claimedIp !== undefined) {
    if (SPELLED.test(claimedIp)) return;
    fields += `,"claimedIp":"${claimedIp}"`;
  }
  return record.direct === undefined ? fields : `${fields},"direct":${record.direct}`;
}
