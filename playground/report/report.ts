import { CAUSES, type Cause } from "../causes/index.js";
import type { Seen } from "../client/seen.js";
import type { Framework } from "../process/origin-process.js";
import type { Finding } from "../survey.js";
import { type Cell, tableLines } from "./table.js";
import { paint } from "./text.js";

export type Findings = ReadonlyMap<Cause, Finding>;

/** What was found for one framework. */
export interface Comparison {
  readonly framework: Framework;
  readonly bare: Findings;
  readonly guarded: Findings;
}

export const TITLES: Record<Framework, string> = { express: "Express", fastify: "Fastify", node: "node:http" };

/** One table for each framework, and what is needed to read it. */
export function reportLines(comparisons: readonly Comparison[], throughEdge: boolean): string[] {
  const shown = throughEdge ? "the edge shows" : "an edge would show";
  const tables = comparisons.flatMap(({ framework, bare, guarded }) => [
    ...tableLines([`${TITLES[framework]}: cause`, "bare", "guarded", "incident"], rows(bare, guarded)),
    "",
  ]);
  return [
    ...tables,
    `bare, guarded: what ${shown} for the origin server without and with rayguard.`,
    "complete: the whole response of the origin server; cut: a visible break, part of it was on its way already.",
    "520, 524: an error page of the edge, with nothing of the origin server. !XX-n: a whole response that breaks this",
    `rule of docs/reference/rules.md${throughEdge ? ", which a strict edge refuses or misreads although workerd passes it on" : ""}.`,
  ];
}

/** The guarded rows that break the promise: neither complete nor, where part was committed, visibly cut. */
export function brokenPromises(comparisons: readonly Comparison[]): string[] {
  return comparisons.flatMap(({ framework, guarded }) =>
    CAUSES.filter((cause) => !keepsPromise(cause, guarded.get(cause))).map(
      ({ title }) => `${TITLES[framework]}: ${title}`,
    ),
  );
}

function keepsPromise({ mayBreak }: Cause, finding: Finding | undefined): boolean {
  if (finding?.seen.kind === "complete") return true;
  // A break counts where the guard made it: without an incident, the edge's patience ended first.
  return mayBreak === true && finding?.seen.kind === "cut" && finding.codes.length > 0;
}

export function summary({ framework, bare, guarded }: Comparison): string {
  const failing = CAUSES.filter((cause) => bare.get(cause)?.seen.kind !== "complete").length;
  const kept = CAUSES.filter((cause) => keepsPromise(cause, guarded.get(cause))).length;
  const text = `${TITLES[framework]}: ${failing} of ${CAUSES.length} causes fail bare; guarded, ${kept} keep the promise.`;
  return paint(kept === CAUSES.length ? "green" : "red", text);
}

function rows(bare: Findings, guarded: Findings): Cell[][] {
  return CAUSES.map((cause) => [
    { text: cause.title },
    cell(bare.get(cause)?.seen),
    cell(guarded.get(cause)?.seen),
    { text: guarded.get(cause)?.codes.join(", ") || "-" },
  ]);
}

function cell(seen: Seen | undefined): Cell {
  if (seen === undefined) return { text: "-" };
  const { kind, status, rule } = seen;
  switch (kind) {
    case "complete":
      return { text: `${status} complete`, colour: "green" };
    case "cut":
      return { text: `${status} cut`, colour: "yellow" };
    case "invalid":
      return { text: `${status} !${rule}`, colour: "red" };
    case "failed":
      return { text: String(status || "no answer"), colour: "red" };
  }
}
