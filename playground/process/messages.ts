import type { Guard, GuardStats, Incident, RequestRecord } from "rayguard";

/** What is kept of an incident; `ray` is null where the request could not be read, `err` the error as text. */
export type IncidentNote = Omit<Incident, "err"> & { readonly err: string | null };

/** One thing that happened to a request inside an origin server. */
export interface TraceNote {
  /** Milliseconds since the epoch, with fractions. */
  readonly at: number;
  /** Value of CF-RAY; empty where there is none. */
  readonly ray: string;
  readonly event: "received" | "written" | "ended" | "destroyed" | "handed over";
  readonly text: string;
}

/** How a guarded origin server is. */
export interface GaugeNote {
  readonly state: Guard["state"];
  readonly stats: GuardStats;
}

/** What an origin server tells the process that started it. */
export type OriginMessage =
  | { type: "listening" }
  | { type: "flushed" }
  | ({ type: "incident" } & IncidentNote)
  | { type: "record"; record: RequestRecord }
  | ({ type: "trace" } & TraceNote)
  | ({ type: "gauge" } & GaugeNote);

/** What that process asks of it. */
export type OriginOrder = { type: "flush" } | { type: "block"; ms: number };

/** Now, on the clock that all processes of this machine share, in milliseconds since the epoch. */
export function epochMs(): number {
  return performance.timeOrigin + performance.now();
}
