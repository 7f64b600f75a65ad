import type { OutcomeBucket, Side } from "../shared/model.js";

/** A quarter of an hour; what is older is counted, not shown. */
const KEPT_SECONDS = 900;

export type Outcome = "Complete" | "Broken" | "Refused";

type Counts = { -readonly [Key in keyof OutcomeBucket]: OutcomeBucket[Key] };

/** What became of every request of the page, by the second. */
export class Outcomes {
  readonly #buckets = new Map<number, Counts>();
  requests = 0;
  bareFailures = 0;

  add(side: Side, outcome: Outcome): void {
    const second = Math.floor(Date.now() / 1_000);
    let bucket = this.#buckets.get(second);
    if (bucket === undefined) {
      const none = { bareComplete: 0, bareBroken: 0, bareRefused: 0 };
      bucket = { second, ...none, guardedComplete: 0, guardedBroken: 0, guardedRefused: 0 };
      this.#buckets.set(second, bucket);
      for (const old of this.#buckets.keys()) if (old <= second - KEPT_SECONDS) this.#buckets.delete(old);
    }
    this.requests++;
    bucket[`${side}${outcome}`]++;
    if (side === "bare" && outcome !== "Complete") this.bareFailures++;
  }

  /** @param since - the first second wanted, since the epoch */
  buckets(since = 0): OutcomeBucket[] {
    return [...this.#buckets.values()].filter(({ second }) => second >= since);
  }
}
