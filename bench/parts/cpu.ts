import { BUDGETS } from "../budgets.js";
import type { Flags } from "../flags.js";
import { checkHonesty } from "../honesty.js";
import { measureCpu, type Slot } from "../interleaved.js";
import { openLoad } from "../load.js";
import { pinToOneCore } from "../pin.js";
import { progress } from "../progress.js";
import { ratioRow } from "../ratio.js";
import type { Row } from "../report.js";
import { type Framework, REQUEST_LOGGERS } from "../variants.js";

/** Server CPU time per request of every variant, as ratios. */
export async function cpuRows(framework: Framework, flags: Flags): Promise<Row[]> {
  const { node, isFresh, rounds } = flags;
  const variants = flags.variants(framework);
  for (const variant of variants) {
    progress(`${framework}: checking that ${variant} answers and logs`);
    await checkHonesty(framework, variant, node);
  }
  const unpin = pinToOneCore();
  if (unpin === undefined) progress("no taskset here: load and server race for the cores, figures repeat less well");
  try {
    const times = await measureCpu({
      framework,
      variants,
      node,
      isFresh,
      rounds,
      open: openLoad,
      requests: flags.requests(framework),
      progress: (done) => progress(`${framework}: CPU time, round ${done} of ${rounds}`),
    });
    const ratio = (what: string, slot: Slot, against: Slot, budget?: number) =>
      times.has(slot) && times.has(against) ? [ratioRow({ framework, what, times, slot, against, budget })] : [];
    const [replaced, ...others] = REQUEST_LOGGERS[framework];
    return [
      ...ratio("CPU, bare / bare: the noise of this run", "again", "bare"),
      ...ratio("CPU, a hook and an async context / bare: the least for crash attribution", "context", "bare"),
      ...ratio("CPU, the same and one log line / bare: the least for everything on", "line", "bare"),
      ...ratio("CPU, guard without logging / bare", "guarded", "bare", BUDGETS.guarded[framework]),
      ...ratio("CPU, everything on / bare", "everything", "bare", BUDGETS.everything[framework]),
      ...ratio("CPU, everything on / the least for it", "everything", "line"),
      ...REQUEST_LOGGERS[framework].flatMap((logger) => ratio(`CPU, ${logger} alone / bare`, logger, "bare")),
      ...ratio(`CPU, everything on / ${replaced}`, "everything", replaced, BUDGETS.requestLogger[framework]),
      ...others.flatMap((logger) => ratio(`CPU, everything on / ${logger}`, "everything", logger)),
      ...ratio("CPU, usual stack / bare", "usual", "bare"),
      ...ratio("CPU, everything on / usual stack", "everything", "usual", BUDGETS.usual[framework]),
    ];
  } finally {
    unpin?.();
  }
}
