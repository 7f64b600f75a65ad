import type { Recorded } from "../../recorder/slots.js";
import type { Action } from "../../report/incidents.js";
import type { RequestRecord } from "../../report/log.js";

/** What every kind of line may tell. */
export interface Told {
  /** When the line was written, in milliseconds since 1970. */
  readonly at: number | null;
  /** The same time on the clock of the host that wrote it, as if that were UTC; where the zone is told or none is. */
  readonly wall?: number;
  readonly pid: number | null;
  readonly host: string | null;
  /** Request id of the app, such as Fastify's `reqId`. */
  readonly requestId: string | null;
  /** 16 hexadecimal digits the line is about; null where it has no place for them. */
  readonly ray: string | null;
  readonly colo: string | null;
}

/** rayguard's line for a request. */
export interface RequestEntry extends Told, Readonly<Omit<RequestRecord, "ray" | "colo">> {
  readonly kind: "request";
  /** What a peer that did not prove itself claimed the client's address to be. */
  readonly claimedIp?: string;
  /** The request did not come through the edge. */
  readonly direct?: true;
}

/** rayguard's line for an incident. */
export interface IncidentEntry extends Told {
  readonly kind: "incident";
  readonly code: string;
  readonly action: Action;
  readonly prevented: number | null;
  /** The sentence of the log: what was seen, and the next step. */
  readonly reason: string;
  readonly method: string;
  readonly url: string;
  readonly status: number | null;
  readonly err: LoggedError | null;
  readonly blockedMs?: number;
  readonly clientIp?: string;
  readonly claimedIp?: string;
  readonly direct?: true;
}

export interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly stack: string;
}

/** Another line of the app that names the Ray or the request id. */
export interface AppEntry extends Told {
  readonly kind: "app";
  readonly level: string;
  readonly message: string;
  readonly err: LoggedError | null;
}

/** A request as a reverse proxy, or the access log of an app, saw it. */
export interface AccessEntry extends Told {
  readonly kind: "access";
  readonly format: "combined" | "key=value" | "JSON" | "HAProxy";
  readonly client: string;
  /** Request line, `GET /path HTTP/1.1`, as far as it is told. */
  readonly request: string;
  /** Status sent to the edge; 0 where none was. */
  readonly status: number;
  readonly octets: number | null;
  readonly ms: number | null;
  /** Status the next server gave, where told. */
  readonly upstreamStatus: number | null;
  /** HAProxy's termination state, such as `SH--`. */
  readonly termination?: string;
}

/** A line of a reverse proxy's error log. */
export interface ProxyErrorEntry extends Told {
  readonly kind: "proxy error";
  readonly level: string;
  readonly message: string;
  readonly client: string;
  readonly request: string;
}

/** A request in the file of a flight recorder. */
export interface RecordedEntry extends Told, Pick<Recorded, "method" | "url" | "startedAt" | "status"> {
  readonly kind: "recorded";
  readonly fate: "alive" | "gone" | "unknown";
}

/** A line that quotes the Ray and is not known to be about it: of another request, or in no known form. */
export interface QuoteEntry extends Told {
  readonly kind: "quote";
  readonly text: string;
  /** Its form is not known: it may be about the request all the same. */
  readonly isUnknown: boolean;
}

export type LogEntry =
  | RequestEntry
  | IncidentEntry
  | AppEntry
  | AccessEntry
  | ProxyErrorEntry
  | RecordedEntry
  | QuoteEntry;

/** An entry, and where it stands. */
export type Found<E extends LogEntry = LogEntry> = E & { readonly file: string; readonly line: number };
