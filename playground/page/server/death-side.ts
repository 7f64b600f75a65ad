import type { Death } from "../../deaths/deaths.js";
import { type DeathFinding, isPromiseKept } from "../../deaths/provoke-death.js";
import type { SupervisedProgram } from "../../deaths/supervised-program.js";
import { OUTCOMES, type Outcome } from "../../deaths/tally.js";
import type { DeathSide, OutcomeCount, Side, Verdict } from "../shared/model.js";
import { incidentViews } from "./incident-views.js";

/** What each outcome means, and how it looks. */
const MEANINGS: Readonly<Record<Outcome, readonly [what: string, kind: Verdict["kind"]]>> = {
  answered: ["the app's own answer, complete", "complete"],
  unavailable: ["a complete 503: come again in a moment", "complete"],
  empty: ["the connection ended without an answer", "failed"],
  refused: ["nobody listened", "failed"],
  silent: ["nothing came before the edge gave up", "failed"],
  cut: ["a visible break, part of the response was out", "cut"],
  wrong: ["not the answer to what was asked", "invalid"],
};

/** One side of a death, as the page shows it. */
export function deathSide(
  death: Death,
  side: Side,
  { name, port }: SupervisedProgram,
  finding: DeathFinding,
  log: readonly string[],
): DeathSide {
  const seen = (Object.keys(OUTCOMES) as Outcome[]).filter((outcome) => finding.tally[outcome] > 0);
  const outcomes = seen.map((outcome): OutcomeCount => {
    const [what, kind] = MEANINGS[outcome];
    return { shown: OUTCOMES[outcome], what, kind, count: finding.tally[outcome] };
  });
  const isKept = isPromiseKept(death, finding);
  return {
    name,
    address: `127.0.0.1:${port}`,
    verdict: verdictOf(outcomes, side === "guarded" && isKept),
    asClaimed: side === "guarded" ? isKept : !isKept,
    outcomes,
    longestMs: finding.longestMs,
    awayMs: finding.awayMs ?? null,
    end: finding.end ?? null,
    log,
    incidents: incidentViews(finding.incidents.map((one) => ({ ...NONE, ...one, message: one.reason }))),
  };
}

/** What the keeper cannot know of a request. */
const NONE = { colo: null, clientIp: null, verified: false, err: null };

/** By the requests that were not answered by the app; those of a held promise are complete, as far as can be. */
function verdictOf(outcomes: readonly OutcomeCount[], isHeld: boolean): Verdict {
  const all = outcomes.reduce((sum, { count }) => sum + count, 0);
  const failed = outcomes.filter(({ kind }) => kind !== "complete");
  const lost = failed.reduce((sum, { count }) => sum + count, 0);
  if (isHeld || lost === 0) {
    const status = outcomes.some(({ shown }) => shown === "503") ? 503 : 200;
    const breaks = lost === 0 ? "" : lost === 1 ? ", 1 visible break" : `, ${lost} visible breaks`;
    const sentence = `${all} requests: ${all - lost} complete responses${breaks}.`;
    return { kind: "complete", status, rule: null, label: `${status} complete`, sentence };
  }
  const label = failed.map(({ shown }) => shown).join(", ");
  const sentence = `${all} requests: ${lost} of them got no complete response.`;
  return { kind: "failed", status: Number(failed[0]?.shown) || 0, rule: null, label, sentence };
}
