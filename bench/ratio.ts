import type { CpuTimes, Slot } from "./interleaved.js";
import type { Row } from "./report.js";
import { median, quantile } from "./statistics.js";
import type { Framework } from "./variants.js";

/** A slot of a measure against another one of it. */
export type Comparison = {
  framework: Framework;
  what: string;
  times: CpuTimes;
  slot: Slot;
  against: Slot;
  budget?: number | undefined;
};

/** The median over the rounds of the ratio within each round. */
export function ratioRow({ framework, what, times, slot, against, budget }: Comparison): Row {
  const own = times.get(slot) ?? [];
  const base = times.get(against) ?? [];
  const values = own.map((time, round) => time / (base[round] as number));
  const quartiles = `${quantile(values, 0.25).toFixed(3)} to ${quantile(values, 0.75).toFixed(3)}`;
  const detail = `${quartiles}; ${median(own).toFixed(1)} / ${median(base).toFixed(1)} us`;
  const row: Row = { framework, what, value: median(values), unit: "x", detail, values };
  return budget === undefined ? row : { ...row, budget };
}
