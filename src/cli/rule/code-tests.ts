import type { ERROR_CODES } from "../../errors.js";
import type { EVENTS } from "../../report/events.js";

/** Tests in the repository that provoke an event. */
export const EVENT_TESTS: Readonly<Record<keyof typeof EVENTS, readonly string[]>> = {
  HANDLER_ERROR: ["test/incidents.test.ts", "test/http2.test.ts", "test/capture-rejections.test.ts"],
  LATE_ERROR: ["test/incidents.test.ts", "test/false-alarms.test.ts", "test/express.test.ts"],
  LATE_WRITE: ["test/incidents.test.ts", "test/cli/explain-provoked.test.ts"],
  GATEWAY_STATUS: ["test/validity/guarded.test.ts", "test/report-mode.test.ts", "test/http2.test.ts"],
  CLIENT_ERROR: ["test/client-error.test.ts", "test/log-safety.test.ts"],
  UNCAUGHT: ["test/protocols.test.ts", "test/http2-fields.test.ts"],
  CRASHING: ["test/protocols.test.ts", "test/mounted.test.ts"],
  SHUTDOWN: ["test/protocols.test.ts"],
  EXIT: ["test/protocols.test.ts"],
  RAW_WRITE: ["test/protocols.test.ts", "test/cli/explain-provoked.test.ts"],
  KILLED: ["test/lifecycle/killed.test.ts", "test/lifecycle/recorder-search.test.ts"],
  NO_WORKER: ["test/keeper/bad-input.test.ts"],
  BLOCKED: ["test/lifecycle/watchdog.test.ts"],
  RECIPIENT_DEADLINE: ["test/recipient-deadline.test.ts", "test/http2-recipient.test.ts"],
  GUARD_FAULT: ["test/containment.test.ts"],
  DIRECT: ["test/trust/direct.test.ts"],
  OVERLOAD: ["test/lifecycle/overload.test.ts", "test/lifecycle/max-connections.test.ts"],
};

/** What to do about an error of rayguard's own, and the tests that provoke it. */
export const ERRORS: Readonly<Record<keyof typeof ERROR_CODES, { readonly next: string; readonly tests: string[] }>> = {
  ERR_RAYGUARD_INVALID_OPTION: {
    next: "Correct the option that the message names; it says which values it takes.",
    tests: ["test/options.test.ts"],
  },
  ERR_RAYGUARD_UNKNOWN_OPTION: {
    next: "Correct the name of the option, or leave it out; docs/reference/options.md lists them all.",
    tests: ["test/options.test.ts"],
  },
  ERR_RAYGUARD_CONFIGURATION: {
    next: "Correct rayguard.config.* beside the program, or RAYGUARD_OPTIONS, which has to be JSON; the message says where.",
    tests: ["test/keeper/bad-input.test.ts"],
  },
  ERR_RAYGUARD_PROGRAM: {
    next: "Name a program that is there and that listens with node:http, node:https or node:http2.",
    tests: ["test/keeper/bad-input.test.ts"],
  },
  ERR_RAYGUARD_NEVER_READY: {
    next: "Look in the log for what the program waits for as it starts, or raise --ready-ms.",
    tests: ["test/keeper/bad-input.test.ts"],
  },
  ERR_RAYGUARD_LEDGER: {
    next: "Let the keeper write there, or name another directory with --ledger.",
    tests: ["test/keeper/bad-input.test.ts"],
  },
  ERR_RAYGUARD_INVALID_ARGUMENT: {
    next: "Correct the argument that the message names.",
    tests: ["test/errors.test.ts", "test/options.test.ts"],
  },
  ERR_RAYGUARD_UNSUPPORTED_SERVER: {
    next: "Hand attach() the server that createServer() or listen() has returned.",
    tests: ["test/errors.test.ts"],
  },
  ERR_RAYGUARD_UNSUPPORTED_RUNTIME: {
    next: 'Run the app under a supported Node, or set unsupportedRuntime: "warn" to go on without a guard.',
    tests: ["test/runtimes.test.ts"],
  },
  ERR_RAYGUARD_DEADLINE: {
    next: "Find what the handler waits for, or give its route a longer deadline: req.rayguard.deadline(ms).",
    tests: ["test/request-context.test.ts"],
  },
  ERR_RAYGUARD_CLIENT_GONE: {
    next: "Nothing is wrong: stop the work that was done for this client.",
    tests: ["test/request-context.test.ts", "test/cut-upload.test.ts"],
  },
  ERR_RAYGUARD_DRAINING: {
    next: "Nothing is wrong: end what has no end of its own; everything else may finish within shutdown.graceMs.",
    tests: ["test/lifecycle/drain.test.ts", "test/lifecycle/drain-signal.test.ts"],
  },
  ERR_RAYGUARD_RANGES: {
    next: "Look at the cause: no network, a proxy in between, or a list that is not sane. Try again later.",
    tests: ["test/trust/ranges.test.ts"],
  },
  ERR_RAYGUARD_INCOMPLETE: {
    next: "Look up the incident of the same request in the log: it names what went wrong.",
    tests: ["test/request-context.test.ts"],
  },
  ERR_RAYGUARD_ANALYTICS_TOKEN: {
    next: "Make a token with the permission Account Analytics: Read, or Analytics: Read of the zone, that has not expired.",
    tests: ["test/cloudflare/analytics.test.ts"],
  },
  ERR_RAYGUARD_ANALYTICS_ZONE: {
    next: "Check the zone ID, and that the token includes this zone.",
    tests: ["test/cloudflare/analytics.test.ts"],
  },
  ERR_RAYGUARD_ANALYTICS_PLAN: {
    next: "Ask for something else, or change the plan: the message names what is missing.",
    tests: ["test/cloudflare/analytics.test.ts"],
  },
  ERR_RAYGUARD_ANALYTICS_TIME_RANGE: {
    next: "Ask for a later time range: the message says how much the plan keeps.",
    tests: ["test/cloudflare/analytics.test.ts"],
  },
  ERR_RAYGUARD_ANALYTICS_RATE_LIMIT: {
    next: "Try again in 5 minutes, with a shorter time range, or wait for longer: --wait, patienceMs.",
    tests: ["test/cloudflare/analytics.test.ts"],
  },
  ERR_RAYGUARD_ANALYTICS_UNAVAILABLE: {
    next: "Look at the message: no network, a proxy in between, or a fault of the API. Try again later.",
    tests: ["test/cloudflare/analytics.test.ts"],
  },
  ERR_RAYGUARD_ANALYTICS_QUERY: {
    next: "The message is that of the API; look there for what it does not take, and please report it.",
    tests: ["test/cloudflare/analytics.test.ts"],
  },
};
