import { describe, expect, it } from "vitest";
import { BUDGETS } from "../../bench/budgets.js";
import { expectMarked } from "../helpers/marked.js";
import { DOCUMENTS, textOf } from "./documents.js";

const PAGE = "docs/reference/cost.md";

/** Cells of the rows of a part of the page, by its heading. */
function rowsUnder(heading: string): string[][] {
  const part = textOf(PAGE).split(`## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  const rows = part.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| |"));
  return rows.map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const [requests, others, keeper] = ["A request", "Memory, timers and start", "The keeper"].map(rowsUnder) as [
  string[][],
  string[][],
  string[][],
];

const WITHOUT_LOG = "rayguard without a log";
const WITH_LINES = "rayguard with a line for each request";
const FRESH = [`${WITHOUT_LOG}, in a fresh server`, `${WITH_LINES}, in a fresh server`];
const LOGGER = "`pino-http` alone; Fastify's own two lines";
const USUAL = "the usual stack: overload, time-out, logger, shutdown, error handler";

/** Rows of the page as a table of another one, without their budgets. */
function taken(names: readonly string[]): string {
  const rows = names.map((name) => {
    const row = [...requests, ...others].find(([first]) => first === name);
    if (row === undefined) throw new Error(`${PAGE} has no row "${name}"`);
    return row.slice(0, 3);
  });
  return [["", "Express", "Fastify"], ["---", "---", "---"], ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

describe("the figures of the cost are those of their page", () => {
  it("in the README, beside what rayguard replaces", () => {
    const memory = "octets of memory for each waiting request, without a log";
    expectMarked("README.md", "cost", taken([WITHOUT_LOG, WITH_LINES, ...FRESH, LOGGER, USUAL, memory]));
  });

  it("in the comparison", () => {
    expectMarked(
      "docs/comparison.md",
      "cost",
      taken(["`morgan` alone", LOGGER, USUAL, WITHOUT_LOG, WITH_LINES, ...FRESH]),
    );
  });

  it("and no other page has a table of its own", () => {
    const marked = /<!-- cost: [\s\S]*?<!-- \/cost -->/g;
    // A decision has what was measured when it was taken.
    const pages = DOCUMENTS.filter((page) => page !== PAGE && !page.startsWith("docs/decisions/"));
    const tables = pages.filter((page) => /\| Express \| Fastify \|/.test(textOf(page).replace(marked, "")));
    expect(tables).toEqual([]);
  });
});

it("the page of the cost states the budgets of the benchmark", () => {
  const { guarded, everything, requestLogger, usual, memory, timers, import: cold, kept, keptConnection } = BUDGETS;
  const stated = [requests, others, keeper].map((rows) =>
    rows.map((row) => row.at(-1)?.split(", ").map(Number)).filter((pair) => pair?.length === 2),
  );
  const wanted = [
    [guarded, everything, requestLogger, usual],
    [memory, memory, memory, memory, timers, cold],
    [kept, keptConnection],
  ];
  expect(stated).toEqual(wanted.map((rows) => rows.map(({ express, fastify }) => [express, fastify])));
});
