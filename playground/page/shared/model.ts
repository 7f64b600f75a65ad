// What the server of the page tells its client: one description for both.

export type FrameworkName = "express" | "fastify" | "node";
export type Side = "bare" | "guarded";

/** A cause as the page lists it. */
export interface CauseInfo {
  readonly name: string;
  readonly title: string;
  readonly group: string;
  /** What happens, and what the edge makes of it. */
  readonly what: string;
  /** What the guard does about it. */
  readonly guard: string;
  /** What to look for and what to change in the app. */
  readonly steps: readonly string[];
  readonly method: string;
  readonly path: string;
  /** Goes around the edge, whatever the form says. */
  readonly isDirect: boolean;
  /** The guarded side may be cut visibly, since part of the response is out already. */
  readonly mayBreak: boolean;
  /** How it is provoked, where one request is not enough. */
  readonly probe: string | null;
  /** It happens to a process under load, bare and kept by `rayguard run`: there is no single request to look at. */
  readonly isDeath: boolean;
}

/** What the page knows before the first run. */
export interface Setup {
  readonly causes: readonly CauseInfo[];
  readonly frameworks: readonly { readonly name: FrameworkName; readonly title: string }[];
  /** Requests go through workerd. */
  readonly hasEdge: boolean;
  readonly readTimeoutMs: number;
  readonly node: string;
}

/** What the request builder asks for. */
export interface RequestForm {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** `edge`: through workerd, which speaks HTTP/1.1 to the origin server; `direct`: the strict client in its place. */
  readonly way: "edge" | "direct";
  readonly version: "1.0" | "1.1";
  /** A request goes before it on the same connection to the origin server. */
  readonly keptAlive: boolean;
}

export interface RunOrder {
  readonly cause: string;
  readonly framework: FrameworkName;
  readonly request: RequestForm;
}

export interface DeathOrder {
  readonly death: string;
  readonly framework: FrameworkName;
}

/** What became of the request, for the visitor. */
export interface Verdict {
  readonly kind: "complete" | "invalid" | "cut" | "failed" | "deceived";
  readonly status: number;
  readonly rule: string | null;
  /** As the table in the terminal says it: `520`, `200 cut`, `500 complete`. */
  readonly label: string;
  /** One sentence for a newcomer. */
  readonly sentence: string;
}

/** The page a visitor gets. */
export interface VisitorView {
  readonly status: number;
  readonly reason: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly complete: boolean;
  readonly contentOctets: number;
  /** Made by the edge, not by the origin server. */
  readonly isOfTheEdge: boolean;
  readonly ms: number;
  /** How many visitors there were and what they got, where there was more than one: `60 requests: 36 × 503, …`. */
  readonly crowd: string | null;
}

/** One line of the octets on the wire. */
export interface OctetRow {
  readonly offset: number;
  readonly kind:
    | "request"
    | "status"
    | "interim"
    | "field"
    | "blank"
    | "chunk"
    | "content"
    | "trailer"
    | "unread"
    | "surplus";
  /** With escapes for controls and for what is not ASCII: `\r`, `\n`, `\x00`; a backslash is doubled. */
  readonly text: string;
  /** Octets of the row that `text` leaves out. */
  readonly omitted: number;
  readonly problems: readonly WireProblem[];
}

/** Where the strict parser stopped agreeing. */
export interface WireProblem {
  readonly offset: number;
  readonly code: string;
  readonly message: string;
  readonly rule: RuleInfo | null;
}

export interface RuleInfo {
  readonly id: string;
  readonly statement: string;
  readonly source: string;
}

/** One connection between the edge and the origin server. */
export interface WireConnection {
  readonly id: number;
  readonly isReused: boolean;
  readonly requestOctets: number;
  readonly responseOctets: number;
  readonly request: readonly OctetRow[];
  readonly response: readonly OctetRow[];
  /** Those that belong to no row: nothing came at all. */
  readonly problems: readonly WireProblem[];
  readonly end:
    | "closed by the origin server"
    | "reset by the origin server"
    | "closed by the edge"
    | "closed by the client"
    | "refused"
    | "kept open";
}

export interface TimelineEvent {
  /** From the start of the run. */
  readonly ms: number;
  readonly lane: "edge" | "wire" | "app" | "guard" | "process";
  readonly event: string;
  readonly text: string;
  readonly isBad: boolean;
}

export interface IncidentView {
  /** How often it was seen in this run. */
  readonly count: number;
  readonly code: string;
  readonly action: string;
  readonly prevented: number | null;
  readonly message: string;
  readonly rule: RuleInfo | null;
  readonly ray: string | null;
  readonly method: string;
  readonly url: string;
  readonly status: number | null;
  readonly err: string | null;
}

export interface SideResult {
  readonly name: string;
  readonly address: string;
  readonly verdict: Verdict;
  /** The guard kept its promise, or the bare origin server failed as the cause says. */
  readonly asClaimed: boolean;
  readonly visitor: VisitorView;
  readonly wire: readonly WireConnection[];
  readonly moreConnections: number;
  readonly timeline: readonly TimelineEvent[];
  readonly log: readonly string[];
  readonly incidents: readonly IncidentView[];
  /** The process ended during the run: what of, and the one in its place. */
  readonly death: {
    readonly pid: number;
    readonly of: string;
    readonly successor: number;
    readonly downMs: number;
  } | null;
}

export interface RunResult {
  readonly id: number;
  readonly at: number;
  readonly cause: string;
  readonly framework: FrameworkName;
  readonly way: "edge" | "direct";
  readonly ray: string;
  readonly ms: number;
  readonly bare: SideResult;
  readonly guarded: SideResult;
}

/** How many requests have ended in one way. */
export interface OutcomeCount {
  /** Status that the edge shows, `cut` or `wrong`. */
  readonly shown: string;
  readonly what: string;
  readonly count: number;
  readonly kind: Verdict["kind"];
}

/** What many clients have seen of a death, and what is known of it. */
export interface DeathSide {
  readonly name: string;
  readonly address: string;
  readonly verdict: Verdict;
  /** The keeper has kept its promise, or the plain supervisor could not help it. */
  readonly asClaimed: boolean;
  readonly outcomes: readonly OutcomeCount[];
  /** Longest time for a complete response. */
  readonly longestMs: number;
  /** Until another process has answered; `null`: there was none. */
  readonly awayMs: number | null;
  /** The process that died, and of what, as its supervisor tells it. */
  readonly end: { readonly pid: number; readonly of: string } | null;
  readonly log: readonly string[];
  readonly incidents: readonly IncidentView[];
}

/** As of a run, but with the keeper in the place of the guard. */
export interface DeathResult {
  readonly id: number;
  readonly at: number;
  readonly cause: string;
  readonly framework: FrameworkName;
  readonly ms: number;
  readonly clients: number;
  readonly bare: DeathSide;
  readonly guarded: DeathSide;
}

/** One line in the list of runs. */
export interface RunSummary {
  readonly id: number;
  readonly at: number;
  readonly cause: string;
  readonly framework: FrameworkName;
  readonly bare: Verdict;
  readonly guarded: Verdict;
}

export interface ProcessView {
  readonly name: string;
  readonly framework: FrameworkName;
  readonly side: Side;
  readonly port: number;
  readonly pid: number;
  readonly state: "starting" | "serving" | "draining" | "blocked" | "down";
  /** What the health check answers: a status, or 0 where nothing came within a second. */
  readonly health: number | null;
  readonly deaths: number;
  readonly inFlight: number | null;
}

/** Requests of one second, by what became of them. */
export interface OutcomeBucket {
  readonly second: number;
  readonly bareComplete: number;
  readonly bareBroken: number;
  /** Nobody listened: 521 at the edge. */
  readonly bareRefused: number;
  readonly guardedComplete: number;
  readonly guardedBroken: number;
  readonly guardedRefused: number;
}

export interface FeedIncident {
  readonly id: number;
  readonly at: number;
  readonly origin: string;
  readonly code: string;
  readonly action: string;
  readonly prevented: number | null;
  readonly message: string;
  readonly ray: string | null;
  readonly method: string;
  readonly url: string;
}

/** What the feed says each second. */
export interface Pulse {
  readonly processes: readonly ProcessView[];
  readonly prevented: number;
  readonly incidents: number;
  readonly bareFailures: number;
  readonly requests: number;
  readonly isTraffic: boolean;
  readonly outcomes: readonly OutcomeBucket[];
}
