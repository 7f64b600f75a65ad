import type { Framework } from "./variants.js";

/** One line of the report. */
export type Row = {
  framework: Framework;
  what: string;
  value: number;
  unit: Unit;
  /** What the figure rests on: quartiles, or what it is the difference of. */
  detail: string;
  /** Largest value allowed; left out where the row is for orientation only. */
  budget?: number;
  /** Single values of which the figure is the median. */
  values?: readonly number[];
};

export type Unit = "x" | "octets" | "timers" | "ms" | "us";

const DECIMALS: Record<Unit, number> = { x: 3, octets: 0, timers: 2, ms: 1, us: 0 };

export function isMet({ value, budget }: Row): boolean {
  return budget === undefined || value <= budget;
}

/** The rows as an aligned table. */
export function renderTable(rows: readonly Row[]): string {
  const head = ["framework", "measure", "figure", "", "budget", "verdict"];
  const cells = rows.map((row) => [
    row.framework,
    row.what,
    show(row.value, row.unit),
    row.detail,
    row.budget === undefined ? "" : `<= ${row.budget}`,
    row.budget === undefined ? "" : isMet(row) ? "met" : "MISSED",
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...cells].map((line) => line[column]?.length ?? 0)));
  const rule = widths.map((width) => "-".repeat(width));
  return [head, rule, ...cells]
    .map((line) => line.map((text, column) => text.padEnd(widths[column] as number)).join("  "))
    .map((line) => line.trimEnd())
    .join("\n");
}

function show(value: number, unit: Unit): string {
  return `${value.toFixed(DECIMALS[unit]).replace(/^-(?=[0.]+$)/, "")} ${unit}`; // no -0.00
}
