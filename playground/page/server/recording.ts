import { epochMs } from "../../process/messages.js";

/** Octets kept for each direction of a connection: more than the largest response of any cause. */
const MAX_KEPT_OCTETS = 512 * 1024;
/** Octets kept for one recording. */
const MAX_KEPT_IN_ALL = 4 * 1024 * 1024;
const MAX_EVENTS = 2_000;

export type Party = "edge" | "origin";

/** Something that was seen on a connection. */
export interface WireEvent {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly connection: number;
  readonly from: Party;
  readonly kind: "opened" | "octets" | "end" | "reset" | "refused";
  readonly octets: number;
}

/** What one connection carried while it was recorded. */
export class RecordedConnection {
  readonly id: number;
  /** It was open before. */
  readonly isReused: boolean;
  /** Whoever ended it first, and how. */
  ending: { readonly from: Party; readonly kind: "end" | "reset" | "refused" } | undefined;
  readonly #kept: Record<Party, Buffer[]> = { edge: [], origin: [] };
  readonly total: Record<Party, number> = { edge: 0, origin: 0 };

  constructor(id: number, isReused: boolean) {
    this.id = id;
    this.isReused = isReused;
  }

  /** Octets sent by `party`, as far as they were kept. */
  octets(party: Party): Buffer {
    return Buffer.concat(this.#kept[party]);
  }

  /** Whether everything that `party` sent was kept. */
  isWhole(party: Party): boolean {
    return this.octets(party).length === this.total[party];
  }

  add(party: Party, octets: Buffer, room: number): number {
    this.total[party] += octets.length;
    const kept = this.#kept[party].reduce((sum, { length }) => sum + length, 0);
    const part = octets.subarray(0, Math.max(0, Math.min(room, MAX_KEPT_OCTETS - kept)));
    if (part.length > 0) this.#kept[party].push(part);
    return part.length;
  }
}

/** Everything that goes over a relay for a while. */
export class Recording {
  readonly events: WireEvent[] = [];
  readonly connections = new Map<number, RecordedConnection>();
  #kept = 0;

  note(connection: number, isNew: boolean, from: Party, kind: WireEvent["kind"], octets?: Buffer): void {
    let recorded = this.connections.get(connection);
    if (recorded === undefined) {
      recorded = new RecordedConnection(connection, !isNew);
      this.connections.set(connection, recorded);
    }
    if (octets) this.#kept += recorded.add(from, octets, MAX_KEPT_IN_ALL - this.#kept);
    if (kind === "end" || kind === "reset" || kind === "refused") recorded.ending ??= { from, kind };
    if (this.events.length < MAX_EVENTS) {
      this.events.push({ at: epochMs(), connection, from, kind, octets: octets?.length ?? 0 });
    }
  }
}
