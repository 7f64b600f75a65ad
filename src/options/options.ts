import type { IncomingMessage } from "node:http";
import { EDGE_PROFILES, type EdgeName, type EdgeProfile, POOL_MARGIN_MS } from "../cloudflare/edge.js";
import type { FallbackContent } from "../fallback/content.js";
import { checkHealth, type HealthOptions } from "../health/health-options.js";
import { invalid, isLogger, MAX_TIMER_MS, membersOf, oneOf, whole } from "../option-checks.js";
import { type OverloadOptions, type OverloadSettings, resolveOverload } from "../overload/overload-options.js";
import { checkRecorder, type RecorderOptions, type RecorderSettings } from "../recorder/recorder-options.js";
import type { Incident } from "../report/incidents.js";
import type { Logger } from "../report/log.js";
import {
  resolveShutdown,
  SHUTDOWN_DEFAULTS,
  type ShutdownOptions,
  type ShutdownSettings,
} from "../shutdown/shutdown-options.js";
import type { TrustedHops } from "../trust/hops.js";
import { resolveTrust, type Trust, type TrustOptions } from "../trust/trust-options.js";
import { resolveWatchdog, type WatchdogOptions, type WatchdogSettings } from "../watchdog/watchdog-options.js";

/** Options of a guard; every one is optional. */
export interface GuardOptions {
  /** Edge in front of the origin server, or single numbers that differ from `cloudflare`. @default "cloudflare" */
  edge?: EdgeName | Partial<EdgeProfile>;
  /** `report` measures and logs every incident and changes nothing. @default "enforce" */
  mode?: "enforce" | "report";
  /** Second tier of rules: reported once per route and rule. @default "report" under NODE_ENV=development, else false */
  lint?: false | "report";
  /** Longest wait until a response is committed, in milliseconds; `false` turns it off. @default 95_000 */
  firstByteDeadlineMs?: number | false;
  /** Longest silence inside a committed response, in milliseconds; `false` turns it off. @default 95_000 */
  idleDeadlineMs?: number | false;
  /**
   * Longest time a recipient may take nothing of a response that the app has written, in milliseconds; `false`: no limit.
   * @default 905_000
   */
  recipientDeadlineMs?: number | false;
  /**
   * Silence of a `text/event-stream` after which a comment is sent, in milliseconds, so that the edge's read timeout stays
   * away; the idle deadline then does not end it. `false` sends none. @default false
   */
  heartbeatMs?: number | false;
  /** Octets of content kept back so that a late failure can still be replaced; `0` turns it off. @default 65_536 */
  holdBackOctets?: number;
  /** Longest time content is kept back, in milliseconds. @default 25 */
  holdBackMs?: number;
  /** Largest response header section, in octets. @default 131_072 */
  maxHeaderSectionOctets?: number;
  /** Largest number of field lines in a response. @default 256 */
  maxFieldLines?: number;
  /** `keepAliveTimeout` of attached servers, in milliseconds. @default 905_000 */
  keepAliveTimeoutMs?: number;
  /** What happens to an app's own 502 and 504, whose content the edge replaces. @default "remap" */
  gatewayStatus?: "remap" | "keep";
  /** Content of a fallback, where the built-in one is not wanted. */
  errorContent?: (incident: Incident, request: IncomingMessage) => FallbackContent;
  /** Health check; `false` turns it off. @default { path: "/health" } */
  health?: false | HealthOptions;
  /** Any pino-like logger, or `false`. @default pino to stdout; under Fastify its own */
  logger?: Logger | false;
  /** Longest time the lines of requests wait to be written together, in milliseconds; `0`: each at once. @default 10 */
  logBatchMs?: number;
  /** Limits beyond which requests are refused with 503; `true` takes the defaults. @default false */
  overload?: boolean | OverloadOptions;
  /**
   * Who is believed about the client: the edge by its addresses, `loopback` for a Tunnel, networks, a function, a shared
   * secret or a client certificate. @default "cloudflare"
   */
  trust?: TrustedHops | TrustOptions;
  /** Requests that nobody vouches for: `flag` marks them in the log, `reject` answers 403. @default "allow" */
  direct?: "allow" | "flag" | "reject";
  /**
   * In Deno, Bun or a Node without the internals the guard relies on: `warn` says so once and lets everything pass
   * untouched, `error` throws. @default "warn"
   */
  unsupportedRuntime?: "warn" | "error";
  /**
   * After an exception that nobody caught: `drain` answers the request it came from, lets the others finish and ends the
   * process as Node would have; `answer` does the first, and leaves the process to the app where that listens for
   * `uncaughtException` itself; `false` leaves Node's behaviour. @default "drain"
   */
  crash?: "drain" | "answer" | false;
  /** On a signal: finishes what is under way, then ends the process; `false` leaves Node's behaviour. */
  shutdown?: false | ShutdownOptions;
  /** Flight recorder: names at the next start every request that was in flight as the process died. @default false */
  recorder?: false | RecorderOptions;
  /** Thread that answers the health paths on a port of its own while the event loop is blocked. @default false */
  watchdog?: boolean | WatchdogOptions;
}

/** Numbers that a route or a nested guard may set for itself. */
export interface RouteSettings {
  readonly firstByteDeadlineMs: number | false;
  readonly idleDeadlineMs: number | false;
  readonly recipientDeadlineMs: number | false;
  readonly heartbeatMs: number | false;
  readonly holdBackOctets: number;
  readonly holdBackMs: number;
  readonly maxHeaderSectionOctets: number;
  readonly maxFieldLines: number;
}

/** What holds for the requests that come to a guard, beside those numbers. */
export type Terms = Pick<Settings, "direct" | "errorContent" | "gatewayStatus" | "lint">;

/** Options with every default filled in; frozen. */
export interface Settings extends RouteSettings {
  readonly edge: EdgeProfile;
  readonly mode: "enforce" | "report";
  readonly lint: boolean;
  readonly keepAliveTimeoutMs: number;
  readonly gatewayStatus: "remap" | "keep";
  readonly errorContent: GuardOptions["errorContent"] | undefined;
  readonly health: false | HealthOptions;
  readonly logger: Logger | false | undefined;
  readonly logBatchMs: number;
  readonly trust: Trust;
  readonly direct: "allow" | "flag" | "reject";
  readonly unsupportedRuntime: "warn" | "error";
  readonly crash: "drain" | "answer" | false;
  readonly shutdown: false | ShutdownSettings;
  readonly recorder: false | RecorderSettings;
  readonly watchdog: WatchdogSettings | false;
  readonly overload: false | OverloadSettings;
}

/** The defaults of every option that has one number or word for it; docs/reference/options.md prints the same table. */
export const DEFAULTS = {
  edge: "cloudflare",
  mode: "enforce",
  firstByteDeadlineMs: 95_000,
  idleDeadlineMs: 95_000,
  recipientDeadlineMs: 905_000,
  heartbeatMs: false,
  holdBackOctets: 65_536,
  holdBackMs: 25,
  keepAliveTimeoutMs: 905_000,
  gatewayStatus: "remap",
  health: { path: "/health" },
  logBatchMs: 10,
  trust: "cloudflare",
  direct: "allow",
  unsupportedRuntime: "warn",
  crash: "drain",
  shutdown: SHUTDOWN_DEFAULTS,
  recorder: false,
  watchdog: false,
  overload: false,
} as const;

const OTHERS = ["lint", "maxHeaderSectionOctets", "maxFieldLines", "errorContent", "logger"];
const KNOWN = [...Object.keys(DEFAULTS), ...OTHERS].sort();

/**
 * Checks the options and fills in the defaults.
 * @throws {RayguardError} `ERR_RAYGUARD_UNKNOWN_OPTION`, `ERR_RAYGUARD_INVALID_OPTION`
 */
export function resolveOptions(options: GuardOptions = {}): Settings {
  membersOf(options, "options", "an object", KNOWN);
  const edge = resolveEdge(options.edge);
  const { errorContent, logger, health = DEFAULTS.health } = options;
  if (errorContent !== undefined && typeof errorContent !== "function") {
    throw invalid("errorContent", "a function (incident, request) => { contentType, body }", errorContent);
  }
  if (logger !== undefined && logger !== false && !isLogger(logger)) {
    throw invalid("logger", "false or an object with the methods info, warn and error", logger);
  }
  const number = (name: keyof GuardOptions, fallback: number, least: number, most?: number) =>
    whole(options[name], name, fallback, least, most);
  return Object.freeze({
    edge,
    mode: oneOf(options.mode, "mode", ["enforce", "report"], DEFAULTS.mode),
    lint: resolveLint(options.lint),
    firstByteDeadlineMs: duration(options, "firstByteDeadlineMs", DEFAULTS.firstByteDeadlineMs),
    idleDeadlineMs: duration(options, "idleDeadlineMs", DEFAULTS.idleDeadlineMs),
    recipientDeadlineMs: duration(options, "recipientDeadlineMs", DEFAULTS.recipientDeadlineMs),
    heartbeatMs: duration(options, "heartbeatMs", DEFAULTS.heartbeatMs),
    holdBackOctets: number("holdBackOctets", DEFAULTS.holdBackOctets, 0),
    holdBackMs: number("holdBackMs", DEFAULTS.holdBackMs, 1, MAX_TIMER_MS),
    maxHeaderSectionOctets: number("maxHeaderSectionOctets", edge.maxHeaderSectionOctets, 256),
    maxFieldLines: number("maxFieldLines", edge.maxFieldLines, 8),
    keepAliveTimeoutMs: number("keepAliveTimeoutMs", edge.idlePoolMs + POOL_MARGIN_MS, 0, MAX_TIMER_MS),
    gatewayStatus: oneOf(options.gatewayStatus, "gatewayStatus", ["remap", "keep"], DEFAULTS.gatewayStatus),
    errorContent,
    health: checkHealth(health),
    logger,
    logBatchMs: number("logBatchMs", DEFAULTS.logBatchMs, 0, MAX_TIMER_MS),
    trust: resolveTrust(options.trust),
    direct: oneOf(options.direct, "direct", ["allow", "flag", "reject"], DEFAULTS.direct),
    unsupportedRuntime: oneOf(
      options.unsupportedRuntime,
      "unsupportedRuntime",
      ["warn", "error"],
      DEFAULTS.unsupportedRuntime,
    ),
    crash: resolveCrash(options.crash),
    shutdown: resolveShutdown(options.shutdown),
    recorder: checkRecorder(options.recorder),
    watchdog: resolveWatchdog(options.watchdog),
    overload: resolveOverload(options.overload),
  });
}

function resolveEdge(edge: GuardOptions["edge"] = DEFAULTS.edge): EdgeProfile {
  if (typeof edge === "string") {
    if (Object.hasOwn(EDGE_PROFILES, edge)) return EDGE_PROFILES[edge];
  } else if (edge !== null && typeof edge === "object") {
    const profile: Record<string, number> = { ...EDGE_PROFILES.cloudflare };
    for (const [name, value] of Object.entries(edge)) {
      if (!Object.hasOwn(profile, name))
        throw invalid("edge", `an object with ${Object.keys(profile).join(", ")}`, edge);
      if (value !== undefined) profile[name] = whole(value, `edge.${name}`, 0, 0);
    }
    return Object.freeze(profile) as unknown as EdgeProfile;
  }
  throw invalid(
    "edge",
    `${Object.keys(EDGE_PROFILES)
      .map((name) => `"${name}"`)
      .join(", ")} or an object`,
    edge,
  );
}

function resolveLint(lint: GuardOptions["lint"]): boolean {
  if (lint === undefined) return process.env.NODE_ENV === "development";
  if (lint === false || lint === "report") return lint === "report";
  throw invalid("lint", 'false or "report"', lint);
}

function resolveCrash(crash: GuardOptions["crash"] = DEFAULTS.crash): Settings["crash"] {
  if (crash === false || crash === "drain" || crash === "answer") return crash;
  throw invalid("crash", '"drain", "answer" or false', crash);
}

function duration(
  options: GuardOptions,
  name: "firstByteDeadlineMs" | "idleDeadlineMs" | "recipientDeadlineMs" | "heartbeatMs",
  fallback: number | false,
): number | false {
  const value = options[name] === undefined ? fallback : options[name];
  return value === false ? false : whole(value, name, 0, 1, MAX_TIMER_MS);
}
