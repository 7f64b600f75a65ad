import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MESSAGES } from "../../src/report/log.js";
import { expectMarked } from "../helpers/marked.js";
import { ROOT, textOf } from "./documents.js";

const PAGE = "docs/reference/log.md";

/** Fields of the table under a heading. */
function fieldsUnder(heading: string): string[] {
  const part = textOf(PAGE).split(`## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return part.split("\n").flatMap((line) => {
    const [, names = ""] = /^\| (`\w+`(?:, `\w+`)*) \|/.exec(line) ?? [];
    return names.match(/\w+/g) ?? [];
  });
}

function membersOf(file: string, name: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  const body = new RegExp(`export interface ${name} \\{([\\s\\S]*?)\\n\\}`).exec(text)?.[1] ?? "";
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map(([, member = ""]) => member);
}

describe(PAGE, () => {
  it("has every field of the line of a request", () => {
    const fields = fieldsUnder("Fields of the line of a request");
    expect(fields.sort()).toEqual(membersOf("src/report/log.ts", "RequestRecord").sort());
    expect(fields.length).toBeGreaterThan(10);
  });

  it("has every field of the line of an incident", () => {
    const shared = ["ray", "colo", "clientIp", "verified", "method", "url"];
    const fields = [...shared, ...fieldsUnder("Fields of the line of an incident")];
    // What the channel calls the message is the reason in the log, where pino has a message of its own.
    const members = membersOf("src/report/incidents.ts", "Incident").map((member) =>
      member === "message" ? "reason" : member,
    );
    expect(fields.sort()).toEqual(members.sort());
  });

  it("has every text that the guard says of itself", () => {
    const { request: _, incident: __, lint: ___, ...own } = MESSAGES;
    expectMarked(
      PAGE,
      "messages",
      Object.values(own)
        .map((text) => `- \`${text}\``)
        .join("\n"),
    );
  });
});
