import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createGuard } from "../../src/index.js";
import { ROOT, textOf } from "./documents.js";

const PAGE = "docs/reference/api.md";

/** The part of the page about an entry, up to the next one. */
function partAbout(entry: string): string {
  const parts = textOf(PAGE).split(/^## /m);
  return parts.find((part) => part.split("\n", 1)[0]?.includes(`\`${entry}\``)) ?? "";
}

const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { exports: object };
const entries = Object.keys(exports)
  .filter((entry) => entry !== "./package.json")
  .map((entry) => entry.replace(/^\./, "rayguard"));

describe(PAGE, () => {
  it("has a part for each entry of the package, and for nothing else", () => {
    const headings = [...textOf(PAGE).matchAll(/^## (.*)$/gm)].flatMap(([, heading = ""]) =>
      heading.match(/rayguard[\w/]*/g),
    );
    expect(headings.sort()).toEqual([...entries].sort());
  });

  // Loading it would guard this process.
  it.each(entries.filter((entry) => entry !== "rayguard/register"))(
    "names everything that %s exports",
    async (entry) => {
      const part = partAbout(entry);
      for (const name of Object.keys(await import(entry))) {
        expect(part, name).toMatch(name === "default" ? /default export/ : new RegExp(`\`${name}\\b`));
      }
    },
  );

  it("names every method of a guard, and none that it does not have", () => {
    const part = /### A guard\n([\s\S]*?)\n### /.exec(textOf(PAGE))?.[1] ?? "";
    const guard = createGuard({ logger: false });
    const named = [...part.matchAll(/^\| `(\w+)|, `(\w+)\./gm)].map(([, first, second]) => first ?? second ?? "");
    for (const name of named) expect(guard, name).toHaveProperty(name);
    expect([...new Set(named)].sort()).toEqual(METHODS);
    guard.close();
  });
});

it("the page names every member of what a request carries", () => {
  const part = /### A request[\s\S]*?\n## /.exec(textOf(PAGE))?.[0] ?? "";
  const named = [...part.matchAll(/^\| `(\w+)/gm)].map(([, name]) => name);
  expect(named.sort()).toEqual(membersOf("src/exchange/request-context.ts", "RequestContext"));
});

/** As the type has them: the class has more, for the adapters. */
const METHODS = membersOf("src/guard.ts", "Guard");

function membersOf(file: string, name: string): string[] | undefined {
  const text = readFileSync(join(ROOT, file), "utf8");
  return new RegExp(`export interface ${name} \\{([\\s\\S]*?)\\n\\}`)
    .exec(text)?.[1]
    ?.match(/^ {2}(?:readonly )?(\w+)(?=[(<:])/gm)
    ?.map((line) => line.trim().replace("readonly ", ""))
    .sort();
}
