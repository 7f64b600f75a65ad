import { GROUPS, IN_DETAIL } from "../../src/cli/rule/in-detail.js";
import { RULES, type RuleId } from "../../src/validity/catalogue.js";
import { askedOf, type EdgeEffect } from "../../src/validity/edge-effects.js";

/** Words of the page for what an edge makes of a response. */
const SHOWN: Readonly<Record<EdgeEffect, string>> = {
  empty: "520",
  waits: "524",
  refused: "522 or 524",
  cut: "cut",
  spills: "the next response",
  page: "502",
  passes: "nothing",
  rarely: "nothing known",
};

/** The rules as docs/reference/rules.md has them. */
export function rulesPage(): string {
  const sections = Object.entries(GROUPS).map(([letters, title]) => {
    const ids = Object.keys(RULES).filter((id) => id.startsWith(`${letters}-`)) as RuleId[];
    return [`## ${title}`, ...ids.map(rule)].join("\n\n");
  });
  return sections.join("\n\n");
}

function rule(id: RuleId): string {
  const { level, tier, action, source, statement } = RULES[id];
  const { detail, tests } = IN_DETAIL[id];
  const facts = [`**${level}**, ${source}. *${tier}*, *${action}*.`, ...atTheEdge(id)];
  const parts = [`### ${id}`, wrapped(`**${statement}**`), wrapped(facts.join(" "))];
  if (detail !== "") parts.push(wrapped(detail));
  if (tests.length > 0) parts.push(wrapped(`Tested in ${tests.map((file) => `\`${file}\``).join(", ")}.`));
  return parts.join("\n\n");
}

function atTheEdge(id: RuleId): string[] {
  const asked = askedOf(id);
  if (asked === null) return [];
  const { effect, pingora, workerd } = asked;
  return [`At the edge: *${SHOWN[effect]}* (Pingora: ${pingora ?? "not asked"}; workerd: ${workerd ?? "not asked"}).`];
}

function wrapped(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < 120) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join("\n");
}
