import { createRequire } from "node:module";
import { LogDestination } from "./log-destination.js";

const STDOUT = 1;

/** What the guard needs of a logger: the shape of pino, and of Fastify's `log`. */
export interface Logger {
  info(record: object, message: string): void;
  warn(record: object, message: string): void;
  error(record: object, message: string): void;
}

/** One line for each request, written when its fate is known. */
export interface RequestRecord {
  /** 16 hexadecimal digits of CF-RAY, or null. */
  ray: string | null;
  /** Three-letter data centre, or null. */
  colo: string | null;
  /** Address of the client where the edge has named it; else the outermost one known for certain. */
  clientIp: string | null;
  /** Whether the request came through a hop that proved itself, which vouches for the client address. */
  verified: boolean;
  method: string;
  /** Request target with the values of secret query parameters masked. */
  url: string;
  /** Status code that went out, or 0 where none did. */
  status: number;
  /** Octets of message body that went out (RFC 9112, section 6). */
  octets: number;
  /** Milliseconds from the end of the request header section until the fate of the response was known. */
  ms: number;
  outcome: "intact" | "repaired" | "replaced" | "torn down" | "client gone";
  /** Code of the incident, where there was one. */
  incident?: string;
  /** CF-Connecting-IP of a request that is not verified, where it is an address other than `clientIp`: not to be believed. */
  claimedIp?: string;
  /** Not verified; with the option `direct` at `flag` or `reject`. */
  direct?: true;
}

/** The text of each kind of line: one place, so that alerts can match on them. */
export const MESSAGES = {
  request: "request",
  incident: "incident",
  lint: "response could be better",
  clientErrors: "a peer sends more octets that are not a request; from now on they are only counted",
  headerSectionLarge: "response header section is larger than a quarter of what the edge takes",
  mountedLate: "the guard was mounted after other middleware: what runs before it is not guarded until it is attached",
  programGuarded: "rayguard/register guards this server, and the others of the program as they begin to listen",
  bypassed:
    "a response was sent without the guard, by a method of node:http that was saved before the guard was created",
  hookLate: "a hook of onDrained() took longer than timeoutMs; the drain continued without it",
  endsBesideListeners:
    'the app has a listener for this signal or exception, and it has not ended the process or closed a server within shutdown.graceMs: the process ends now, as without the listener; to decide yourself, call guard.drain() in the listener, or set shutdown: false or crash: "answer"',
  hookFailed: "a hook of onDrained() failed",
  errorContent: "errorContent threw; the built-in content was sent",
  observerFailed: "a subscriber of the guard failed; it still gets what comes next",
  recorderOff:
    "the flight recorder is off: its file cannot be written; the next start cannot say which requests had no answer",
  recorderFull: "the flight recorder has no slot left: some requests are not recorded; give it more slots",
  recorderForeign: "a file in the place of a flight recorder is not one, or is damaged: it was not changed",
  keeperFailed: "a fault in the keeper itself was contained; please report it",
  workerStarted: "the keeper has started a process of the app",
  workerReady: "a process of the app listens",
  workerRetires:
    "a process of the app has been replaced: it gives its idle connections back, lets requests finish and ends",
  workerEnded: "a process of the app has ended",
  workerPause: "the next process of the app is started after a pause, since the ones before it ended soon",
  workerMemory: "a process of the app has more memory than --max-memory: it is replaced",
  overloadOver: "overload is over: requests are no longer refused",
  refusalsOver:
    "there is room for new connections again; some were reset, since the guard could not answer all of them: raise maxConnections or the limit on open files",
  trustLocalPeer:
    'requests with a CF-RAY come from a peer on this machine or network that is not trusted, so their CF-Connecting-IP is not believed; behind cloudflared set trust: "loopback", or { edge: <its address> }; behind a proxy of your own set trust: ["cloudflare", <its address>]',
  unsupportedRuntime:
    "this runtime is not Node, or a Node the guard does not know: nothing is guarded, and only the health check is answered; run the app with a supported Node",
  attachFailed: "the guard could not attach itself to the server",
  watchdogListens: "the watchdog answers the health paths on a port of its own",
  watchdogPort:
    "the watchdog cannot listen at this port and answers no health check; it still reports a blocked event loop",
  watchdogFailed: "the watchdog has ended; a blocked event loop is no longer reported",
  requestTimeoutShort:
    "a connection that is open but unused gets a 408 when headersTimeout or requestTimeout is over, while the edge may still use it; raise both above unusedMs or set them to 0",
  maxConnections:
    "connections over maxConnections never reach the app: the guard answers 503 where it enforces, and Node resets them where it does not (520 at the edge); raise it, or turn it off",
  descriptors:
    "the process has nearly as many file descriptors open as it may: new connections get a 503 where the guard enforces, and a reset (520 at the edge) when there are none left; raise the limit on open files (ulimit -n, LimitNOFILE)",
  requestHeadersLarge:
    "a request header section over maxHeaderSize was answered with 431; the edge forwards up to edgeOctets: raise it with --max-http-header-size or createServer({ maxHeaderSize })",
} as const;

/** A function without a body, however it is written. */
const EMPTY = /^(?:function\s*\w*|\w*)\s*\(\)\s*(?:=>\s*)?\{\s*\}$/;

/** Whether nothing of what it is told goes anywhere: Fastify's under `logger: false`, and pino's at the level silent. */
export function isMute(logger: Logger): boolean {
  return EMPTY.test(Function.prototype.toString.call(logger.error));
}

let logger: Logger | undefined;

/** The default logger: pino to stdout. Loaded on first use, since importing it costs more than the rest together. */
export function defaultLogger(): Logger {
  const pino = createRequire(import.meta.url)("pino") as typeof import("pino").pino;
  logger ??= pino({ base: null }, new LogDestination(STDOUT));
  return logger;
}

const SECRET_PART = /token|secret|passw|passphrase|signature|credential|auth|session/i;
const SECRET_WHOLE = /^(?:pwd|sig|code|key|api[-_]?key|jwt|otp|pin)$/i;

/**
 * Makes a request target safe to log: no control character, no non-ASCII octet, no value of a secret parameter.
 * A target can hold C1 controls, which some terminals obey and JSON does not escape.
 */
export function loggableUrl(url: string): string {
  let safe = url.length > 2_048 ? `${url.slice(0, 2_048)}...` : url;
  if (UNSAFE.test(safe)) safe = safe.replace(UNSAFE_ALL, percentEncode);
  // Nearly every target is a path: only one in absolute form can name a user.
  if (safe[0] !== "/") safe = safe.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, "$1[redacted]@");
  const query = safe.indexOf("?");
  if (query === -1) return safe;
  const pairs = safe.slice(query + 1).split("&");
  for (let i = 0; i < pairs.length; i++) {
    const pair = pairs[i] as string;
    const equals = pair.indexOf("=");
    if (equals !== -1 && isSecret(decode(pair.slice(0, equals)))) pairs[i] = `${pair.slice(0, equals)}=[redacted]`;
  }
  return `${safe.slice(0, query)}?${pairs.join("&")}`;
}

const UNSAFE = /[^\x21-\x7e]/;
const UNSAFE_ALL = /[^\x21-\x7e]/g;

/** Node hands over each octet of the target as one code unit. */
function percentEncode(octet: string): string {
  return `%${octet.charCodeAt(0).toString(16).padStart(2, "0").toUpperCase()}`;
}

function isSecret(name: string): boolean {
  return SECRET_PART.test(name) || SECRET_WHOLE.test(name);
}

function decode(name: string): string {
  return name.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
