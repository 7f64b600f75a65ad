import type { CauseInfo, RunResult, Side, SideResult } from "../shared/model.js";
import { h, show } from "./dom.js";
import { incidentsView, logView } from "./incident.js";
import { connectionView } from "./octets.js";
import { timelineView } from "./timeline.js";
import { badge } from "./verdict-badge.js";

export const SIDES: readonly Side[] = ["bare", "guarded"];

type Section<Run extends Record<Side, unknown>> = readonly [
  title: string,
  view: (result: Run[Side], side: Side, run: Run) => HTMLElement,
];

const SECTIONS: readonly Section<RunResult>[] = [
  ["What the visitor sees", (result, side, run) => visitorView(result, side, run)],
  ["Octets on the wire", (result) => wireView(result)],
  ["Timeline", ({ timeline }) => timelineView(timeline)],
  ["Incident", ({ incidents }, side) => incidentsView(incidents, side)],
  ["Log", ({ log }) => logView(log)],
];

/** Both sides of a run, section by section. */
export function showResult(target: HTMLElement, run: RunResult, cause: CauseInfo): void {
  show(
    target,
    h("div", { class: "sides verdicts" }, ...SIDES.map((side) => verdictView(run[side], side, cause))),
    ...SECTIONS.map((section) => pairView(section, run, { bare: "Bare", guarded: "Guarded" })),
    stepsView(cause),
  );
}

/** One section, both sides of it next to each other. */
export function pairView<Run extends Record<Side, unknown>>(
  [title, view]: Section<Run>,
  run: Run,
  names: Readonly<Record<Side, string>>,
): HTMLElement {
  const sides = SIDES.map((side) =>
    h(
      "div",
      { class: `side ${side}`, "data-side": side },
      h("h3", { class: "side-name" }, names[side]),
      view(run[side], side, run),
    ),
  );
  return h("section", { class: "pair" }, h("h2", {}, title), h("div", { class: "sides" }, ...sides));
}

function verdictView({ verdict, address, name, death, visitor, asClaimed }: SideResult, side: Side, cause: CauseInfo) {
  const surprise =
    side === "bare" ? "It did not fail this time: a race that timing can decide." : "Not what was promised.";
  return h(
    "div",
    { class: `verdict side ${side} ${verdict.kind}`, "data-side": side, "data-verdict": verdict.label },
    h("h2", {}, side === "bare" ? "Bare origin server" : "Guarded origin server"),
    h("p", { class: "outcome" }, badge(verdict)),
    h("p", {}, verdict.sentence),
    side === "guarded" && h("p", { class: "guard" }, cause.guard),
    visitor.crowd !== null && h("p", { class: "crowd" }, visitor.crowd),
    !asClaimed && h("p", { class: "surprise" }, surprise),
    death && h("p", { class: "death" }, deathText(death)),
    h("p", { class: "where" }, h("code", {}, name), " at ", h("code", {}, address)),
  );
}

function deathText({ pid, of, successor, downMs }: NonNullable<SideResult["death"]>): string {
  return `Process ${pid} ended (${of}). Process ${successor} took its place after ${downMs} ms.`;
}

function visitorView({ visitor, verdict }: SideResult, side: Side, run: RunResult): HTMLElement {
  const { status, reason, fields, complete, contentOctets, isOfTheEdge, ms } = visitor;
  const origin = isOfTheEdge ? "made by the edge" : "from the origin server";
  const isCut = verdict.kind === "cut" || !complete;
  return h(
    "div",
    { class: "visitor" },
    h("iframe", {
      sandbox: "",
      src: `/content/${run.id}/${side}`,
      title: `Page that the visitor of the ${side} origin server gets`,
    }),
    isCut && h("p", { class: "cut-note" }, `The connection ended after ${contentOctets.toLocaleString("en")} octets.`),
    h(
      "details",
      {},
      h("summary", {}, `${status} ${reason} ${origin}, after ${ms.toLocaleString("en")} ms`),
      h("dl", { class: "fields" }, ...fields.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    ),
  );
}

function wireView({ wire, moreConnections }: SideResult): HTMLElement {
  if (wire.length === 0) return h("p", { class: "nothing" }, "No connection was opened.");
  const more =
    moreConnections > 0 &&
    h(
      "p",
      { class: "nothing" },
      moreConnections === 1 ? "One more connection." : `${moreConnections} more connections.`,
    );
  return h("div", { class: "wire" }, ...wire.map((connection, i) => connectionView(connection, i === 0)), more);
}

export function stepsView({ steps }: CauseInfo): HTMLElement {
  return h(
    "section",
    { class: "steps" },
    h("h2", {}, "Next steps"),
    h("ol", {}, ...steps.map((step) => h("li", {}, step))),
  );
}
