import { EDGE_PROFILES, isEdgeStatus } from "../../cloudflare/edge.js";
import { isGatewayStatus } from "../../http/status.js";
import { edgeEffectOf } from "../../validity/edge-effects.js";
import type { AccessEntry, IncidentEntry, RecordedEntry } from "../logs/entry.js";
import type { Account, Arrival } from "./account.js";
import { explanationOf } from "./explanations.js";
import { isRefused } from "./proxy-errors.js";

/** What visitors saw of a request at the edge, as far as the logs of the origin server tell. */
export interface Verdict {
  /** Error of the edge that fits; `truncated`: the status, and less content than announced; `unknown`: not told. */
  readonly shown: "none" | "502" | "504" | "520" | "522" | "524" | "truncated" | "unknown";
  readonly why: string;
  /** Whether the request failed. */
  readonly failed: boolean;
}

const READ_TIMEOUT_MS = EDGE_PROFILES.cloudflare.readTimeoutMs;
const TUNNEL = "Behind a Tunnel the same failure shows as 502.";

/** The verdict of the hop that is nearest to the edge and saw a failure; else that of the app. */
export function verdictOf(account: Account): Verdict {
  const ofProxy = account.access.map(ofAccess).filter(({ shown }) => shown !== "none");
  const all = [...ofProxy, ...account.arrivals.map(ofArrival), ...account.access.map(ofAccess)];
  const fault = all.find(({ shown }) => shown !== "none") ?? all.find(({ failed }) => failed) ?? all[0];
  if (fault !== undefined) return fault;
  if (account.app.length === 0 && account.proxyErrors.length > 0) return ofProxyErrors(account);
  const why = "The request reached the app, but no line says how it ended: it may be under way, or nothing logs that.";
  return { shown: "unknown", why, failed: true };
}

/** Only what stands in front of the app has a line: whether the app was reached is what that line says, or unknown. */
function ofProxyErrors({ proxyErrors }: Account): Verdict {
  const refused = proxyErrors.some(({ message }) => isRefused(message));
  const why = refused
    ? "What stands in front of the app (a reverse proxy, or cloudflared) could not connect to it and answered 502: the request never reached the app."
    : "What stands in front of the app (a reverse proxy, or cloudflared) failed to get a response from it; whether the request reached the app, no line tells.";
  return { shown: "502", why, failed: true };
}

function ofArrival({ request, recorded, incidents }: Arrival): Verdict {
  const killed = incidents.find(({ code }) => code === "KILLED");
  // The keeper has answered in the place of the process, where nothing of a response was out.
  const unserved = incidents.find(({ code, action }) => code === "NO_WORKER" && action === "replaced");
  if (unserved !== undefined || killed?.action === "replaced") return passed(503, 0);
  if (killed !== undefined) return died(killed.status === 520 ? 0 : (killed.status ?? 0));
  if (request === null) {
    if (recorded !== null) return recorded.fate === "gone" ? died(recorded.status) : underWay(recorded);
    const why =
      "rayguard met an incident, but its line for the request is missing: the files end before, or the process did.";
    return { shown: prevented(incidents[0]?.prevented), why, failed: true };
  }
  const { outcome, status, ms } = request;
  if (outcome === "torn down") return status === 0 ? empty("the connection broke before a response") : cut(status);
  // In report mode the app drops the connection itself, which looks like a client that left.
  const isCut = ({ code }: IncidentEntry) => edgeEffectOf(code) === "cut";
  const reported = incidents.find((each) => each.action === "reported" && (each.prevented !== null || isCut(each)));
  if (reported !== undefined) {
    const edge = explanationOf(reported.code)?.edge;
    const why = `rayguard only reported ${reported.code} and changed nothing, so the response was sent as it was. The edge shows: ${edge ?? reported.prevented}.`;
    return { shown: reported.prevented === null ? "truncated" : prevented(reported.prevented), why, failed: true };
  }
  if (outcome === "client gone") return left(ms);
  return passed(status, ms);
}

function ofAccess({ status, ms, termination = "----", upstreamStatus }: AccessEntry): Verdict {
  const [cause, phase] = termination as unknown as [string, string];
  if (status === 499 || cause === "C" || cause === "c") return left(ms ?? 0);
  if (status === 444) return empty("the reverse proxy closed the connection without a response (nginx: return 444)");
  if (status === 0) return empty("the reverse proxy sent no response");
  if ((cause === "S" || cause === "s") && phase === "D") return cut(status);
  if (isGatewayStatus(status) && upstreamStatus !== status) {
    const why =
      status === 502
        ? "The reverse proxy got no valid response from the app and answered 502."
        : "The reverse proxy got no response from the app in time and answered 504.";
    return { shown: `${status}`, why: `${why} Cloudflare puts a page of its own in its place.`, failed: true };
  }
  return passed(status, ms ?? 0);
}

function passed(status: number, ms: number): Verdict {
  if (isGatewayStatus(status)) {
    const why = `The origin server itself answered ${status}; Cloudflare puts a page of its own in its place.`;
    return { shown: `${status}`, why, failed: true };
  }
  if (isEdgeStatus(status)) {
    return {
      shown: "unknown",
      why: `The origin server itself answered ${status}, a status of the edge's own.`,
      failed: true,
    };
  }
  const late =
    ms > READ_TIMEOUT_MS
      ? ` It took ${seconds(ms)}: if nothing was sent for so long, the edge had given up (524) before.`
      : "";
  const why = `A complete response with status ${status} went out, and Cloudflare passes it on.${late}`;
  return { shown: "none", why, failed: status >= 500 };
}

function empty(how: string): Verdict {
  return { shown: "520", why: `No response went out: ${how}. ${TUNNEL}`, failed: true };
}

function cut(status: number): Verdict {
  const why = `Status ${status} and a part of the content went out before the connection broke: visitors saw a truncated response, which Cloudflare counts as ${status}.`;
  return { shown: "truncated", why, failed: true };
}

function died(status: number): Verdict {
  return status === 0 ? empty("the process died while the app worked on it") : cut(status);
}

function left(ms: number): Verdict {
  if (ms >= READ_TIMEOUT_MS) {
    const why = `The edge closed the connection after ${seconds(ms)} without a complete response: its read timeout (524).`;
    return { shown: "524", why, failed: true };
  }
  const why =
    "The visitor, or the edge, went away before the response was complete: nobody was left to be shown an error.";
  return { shown: "none", why, failed: false };
}

function underWay({ startedAt, fate }: RecordedEntry): Verdict {
  const ms = Date.now() - startedAt;
  const process =
    fate === "alive" ? "The process runs and" : "Its process is one of another container, and if it runs, it";
  const why = `${process} is still working on it, for ${seconds(ms)} now.`;
  if (ms < READ_TIMEOUT_MS) return { shown: "unknown", why, failed: true };
  return { shown: "524", why: `${why} The edge has given up by now, unless it was sent something.`, failed: true };
}

function prevented(status: number | null | undefined): Verdict["shown"] {
  return status === 520 || status === 522 || status === 524 ? `${status}` : "unknown";
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
