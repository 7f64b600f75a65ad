import { READ_TIMEOUT_MS } from "../deaths/crowd.js";
import { DEATHS, type Death } from "../deaths/deaths.js";
import { type DeathFinding, isPromiseKept } from "../deaths/provoke-death.js";
import type { DeathComparison, DeathFindings } from "../deaths/survey-deaths.js";
import { unansweredText } from "../deaths/tally.js";
import { TITLES } from "./report.js";
import { type Cell, tableLines } from "./table.js";
import { paint } from "./text.js";

const HEAD = ["bare", "kept", "wait", "promise"];

/** One table for each framework, and what is needed to read it. */
export function deathLines(comparisons: readonly DeathComparison[]): string[] {
  const tables = comparisons.flatMap(({ framework, bare, kept }) => [
    ...tableLines([`${TITLES[framework]}: the process`, ...HEAD], rows(bare, kept)),
    "",
  ]);
  return [
    paint("bold", "When the process itself dies, while twenty clients are asking:"),
    "",
    ...tables,
    "bare: the program alone, started again at once whenever it ends, as by PM2 or systemd. kept: the same under rayguard run.",
    "Both count the requests that the app did not answer, as an edge would show them:",
    "  503  a complete response                   520  the connection ended without an answer",
    `  521  nobody listened                       524  nothing came for ${READ_TIMEOUT_MS / 1_000} s`,
    "  cut  a visible break, part was on its way  wrong  not the answer to what was asked",
    "wait: the longest for a complete response, kept. held: nobody was refused, and whoever asked was answered, or saw a break",
    "that the keeper tells of, but for one request, at most, that was being read in the very moment of death; where a process is",
    "replaced, nothing at all was lost.",
  ];
}

/** The deaths at which the keeper has not kept its promise. */
export function brokenAtDeath(comparisons: readonly DeathComparison[]): string[] {
  return comparisons.flatMap(({ framework, kept }) =>
    DEATHS.filter((death) => !isHeld(death, kept)).map(({ title }) => `${TITLES[framework]}: ${title}`),
  );
}

export function deathSummary({ framework, bare, kept }: DeathComparison): string {
  const failing = DEATHS.filter((death) => isCostly(bare.get(death))).length;
  const held = DEATHS.filter((death) => isHeld(death, kept)).length;
  const text = `${TITLES[framework]}: ${failing} of ${DEATHS.length} deaths cost answers bare; kept, ${held} keep the promise.`;
  return paint(held === DEATHS.length ? "green" : "red", text);
}

function rows(bare: DeathFindings, kept: DeathFindings): Cell[][] {
  return DEATHS.map((death) => {
    const [alone, keeper] = [bare.get(death), kept.get(death)];
    const holds = isHeld(death, kept);
    const colour = holds ? "green" : "red";
    return [
      { text: death.title },
      { text: textOf(alone), colour: isCostly(alone) ? "red" : "green" },
      { text: textOf(keeper), colour },
      { text: keeper === undefined ? "-" : `${(keeper.longestMs / 1_000).toFixed(1)} s` },
      { text: holds ? "held" : "broken", colour },
    ];
  });
}

function textOf(finding: DeathFinding | undefined): string {
  return finding === undefined ? "-" : unansweredText(finding.tally);
}

function isHeld(death: Death, findings: DeathFindings): boolean {
  const finding = findings.get(death);
  return finding !== undefined && isPromiseKept(death, finding);
}

/** Somebody got no complete response. */
function isCostly(finding: DeathFinding | undefined): boolean {
  if (finding === undefined) return false;
  const { cut, empty, refused, silent, wrong } = finding.tally;
  return cut + empty + refused + silent + wrong > 0;
}
