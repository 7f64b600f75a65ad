import { openArrivals } from "../arrivals.js";
import { BUDGETS } from "../budgets.js";
import { TELLS_CPU_TIME } from "../cpu-time.js";
import type { Flags } from "../flags.js";
import { type CpuTimes, measureCpu } from "../interleaved.js";
import { openLoad } from "../load.js";
import { pinToOneCore } from "../pin.js";
import { progress } from "../progress.js";
import { ratioRow } from "../ratio.js";
import type { Row } from "../report.js";
import { median, quantile } from "../statistics.js";
import type { Framework, Variant } from "../variants.js";

const VARIANTS: readonly Variant[] = ["registered", "kept"];

/** Connections of one variant in one round. */
const CONNECTIONS = 3_200;

/** CPU time of a program and its keeper together, against that of the same program without one. */
export async function keeperRows(framework: Framework, flags: Flags): Promise<Row[]> {
  if (!TELLS_CPU_TIME) {
    progress("no /proc with the CPU time of other processes here: the keeper is not measured");
    return [];
  }
  const { node, isFresh, rounds } = flags;
  const measure = (what: string, open: typeof openLoad, requests: number) =>
    measureCpu({
      framework,
      variants: VARIANTS,
      node,
      isFresh,
      rounds,
      open,
      requests,
      progress: (done) => progress(`${framework}: CPU time of the keeper, ${what}, round ${done} of ${rounds}`),
    });
  const unpin = pinToOneCore();
  try {
    const requests = await measure("requests", openLoad, flags.requests(framework));
    const connections = await measure("connections", openArrivals, CONNECTIONS);
    return [
      ratioRow({
        framework,
        what: "CPU, guarded / guarded: the noise of this run",
        times: requests,
        slot: "again",
        against: "registered",
      }),
      ratioRow({
        framework,
        what: "CPU, kept / guarded",
        times: requests,
        slot: "kept",
        against: "registered",
        budget: BUDGETS.kept[framework],
      }),
      connectionRow(framework, connections),
    ];
  } finally {
    unpin?.();
  }
}

/** The median over the rounds of the difference within each round. */
function connectionRow(framework: Framework, times: CpuTimes): Row {
  const kept = times.get("kept") ?? [];
  const alone = times.get("registered") ?? [];
  const values = kept.map((time, round) => time - (alone[round] as number));
  const quartiles = `${quantile(values, 0.25).toFixed(0)} to ${quantile(values, 0.75).toFixed(0)}`;
  return {
    framework,
    what: "CPU per new connection, kept - guarded",
    value: median(values),
    unit: "us",
    detail: `${quartiles}; ${median(kept).toFixed(0)} - ${median(alone).toFixed(0)} us`,
    budget: BUDGETS.keptConnection[framework],
    values,
  };
}
