import type { Incident } from "./incidents.js";
import type { RequestRecord } from "./log.js";

type EdgeStatus = "520" | "522" | "524";

/** What a guard has seen since it was made. */
export interface GuardStats {
  /** As `guard.state`. */
  readonly state: "serving" | "draining" | "closed";
  /** Requests whose fate is known. */
  readonly requests: number;
  /** Requests under way. */
  readonly inFlight: number;
  /** Requests that wait for their turn, where `overload` limits how many are under way. */
  readonly queued: number;
  /** Requests refused because of overload; in report mode those that would have been. */
  readonly shed: number;
  /** Requests by outcome. */
  readonly outcomes: Readonly<Record<RequestRecord["outcome"], number>>;
  /** Incidents by code. */
  readonly incidents: Readonly<Record<string, number>>;
  /** Errors of the edge that did not happen, by the status it would have shown. */
  readonly prevented: Readonly<Record<EdgeStatus, number>>;
  /** The same by the code of the incident: `{ "MC-2": { "520": 3 } }`. Codes and statuses that did not occur are left out. */
  readonly preventedByCode: Readonly<Record<string, Readonly<Partial<Record<EdgeStatus, number>>>>>;
}

/** Counts what becomes of the exchanges of a guard. */
export class Counters {
  inFlight = 0;
  requests = 0;
  /** By outcome, those whose fate is known. */
  readonly outcomes: Record<RequestRecord["outcome"], number> = {
    intact: 0,
    repaired: 0,
    replaced: 0,
    "torn down": 0,
    "client gone": 0,
  };
  readonly #incidents = new Map<string, number>();
  readonly #prevented = { "520": 0, "522": 0, "524": 0 };
  readonly #preventedByCode = new Map<string, Partial<Record<EdgeStatus, number>>>();

  incident({ code, action, prevented }: Pick<Incident, "code" | "action" | "prevented">): void {
    this.#incidents.set(code, (this.#incidents.get(code) ?? 0) + 1);
    const kept = action === "repaired" || action === "replaced";
    if (!kept || prevented === null) return;
    const status: EdgeStatus = `${prevented}`;
    this.#prevented[status]++;
    let ofCode = this.#preventedByCode.get(code);
    if (ofCode === undefined) {
      ofCode = {};
      this.#preventedByCode.set(code, ofCode);
    }
    ofCode[status] = (ofCode[status] ?? 0) + 1;
  }

  snapshot(state: GuardStats["state"], queued = 0, shed = 0): GuardStats {
    return {
      state,
      requests: this.requests,
      inFlight: this.inFlight,
      queued,
      shed,
      outcomes: { ...this.outcomes },
      incidents: Object.fromEntries(this.#incidents),
      prevented: { ...this.#prevented },
      preventedByCode: Object.fromEntries([...this.#preventedByCode].map(([code, counts]) => [code, { ...counts }])),
    };
  }
}
