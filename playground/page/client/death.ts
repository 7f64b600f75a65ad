import type { CauseInfo, DeathResult, DeathSide, Side } from "../shared/model.js";
import { h, show } from "./dom.js";
import { incidentsView, logView } from "./incident.js";
import { pairView, SIDES, stepsView } from "./result.js";
import { badge } from "./verdict-badge.js";

const NAMES: Readonly<Record<Side, string>> = { bare: "Bare", guarded: "Kept" };
const SUPERVISORS: Readonly<Record<Side, string>> = {
  bare: "Bare: started again at once, as by PM2 or systemd",
  guarded: "Kept: the same program under rayguard run",
};

/** What many clients have seen of the death of a process, bare and kept. */
export function showDeath(target: HTMLElement, run: DeathResult, cause: CauseInfo): void {
  show(
    target,
    h("div", { class: "sides verdicts" }, ...SIDES.map((side) => verdictView(run[side], side, cause))),
    pairView(["What the clients got", outcomesView], run, NAMES),
    pairView(
      ["Incident", ({ incidents }, side) => incidentsView(incidents, side, "None: no request was lost.")],
      run,
      NAMES,
    ),
    pairView(["Log, without the lines of single requests", ({ log }) => logView(log)], run, NAMES),
    stepsView(cause),
  );
}

function verdictView({ verdict, asClaimed, name, address, end, awayMs }: DeathSide, side: Side, cause: CauseInfo) {
  const surprise = side === "bare" ? "It cost nobody an answer this time." : "Not what was promised.";
  return h(
    "div",
    { class: `verdict side ${side} ${verdict.kind}`, "data-side": side, "data-verdict": verdict.label },
    h("h2", {}, SUPERVISORS[side]),
    h("p", { class: "outcome" }, badge(verdict)),
    h("p", {}, verdict.sentence),
    side === "guarded" && h("p", { class: "guard" }, cause.guard),
    !asClaimed && h("p", { class: "surprise" }, surprise),
    h("p", { class: "death" }, endText(end, awayMs)),
    h("p", { class: "where" }, h("code", {}, name), " at ", h("code", {}, address)),
  );
}

function endText(end: DeathSide["end"], awayMs: number | null): string {
  const ended = end === null ? "" : `Process ${end.pid} ended (${end.of}). `;
  if (awayMs !== null) return `${ended}Another one has answered after ${awayMs} ms.`;
  return `${ended || "The process is still there, and does nothing. "}Nobody took its place.`;
}

function outcomesView({ outcomes, longestMs }: DeathSide): HTMLElement {
  const rows = outcomes.map(({ shown, what, count, kind }) =>
    h(
      "tr",
      { class: kind },
      h("td", { class: "count" }, count.toLocaleString("en")),
      h("th", { scope: "row" }, shown),
      h("td", {}, what),
    ),
  );
  return h(
    "div",
    { class: "outcomes" },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "requests"),
          h("th", { scope: "col" }, "at the edge"),
          h("th", { scope: "col" }, "because"),
        ),
      ),
      h("tbody", {}, ...rows),
    ),
    h("p", { class: "nothing" }, `Longest wait for a complete response: ${(longestMs / 1_000).toFixed(1)} s.`),
  );
}
