import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { RULES } from "../../src/validity/catalogue.js";
import { anchorOf, DOCUMENTS, linksOf, ROOT, textOf } from "./documents.js";

const headings = (document: string) =>
  [...textOf(document).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => anchorOf(heading));

describe.each(DOCUMENTS)("%s", (document) => {
  it("has no dead link", () => {
    const dead = linksOf(document).filter(({ to, anchor }) => {
      if (!existsSync(join(ROOT, to))) return true;
      return anchor !== "" && !headings(to).includes(anchor);
    });
    expect(dead).toEqual([]);
  });

  it("names only files that are there", () => {
    const named = [
      ...textOf(document).matchAll(/`((?:src|test|docs|deploy|bench|playground|adapters|\.ci)\/[^`\s*]*)`/g),
    ];
    const missing = named
      .map(([, path = ""]) => path)
      // A test may be named as `npm test` takes it: by the beginning of its path.
      .filter((path) => ![path, `${path}.test.ts`].some((each) => existsSync(join(ROOT, each))));
    expect(missing).toEqual([]);
  });

  it("names functions where they are", () => {
    const named = [...textOf(document).matchAll(/`(src\/[\w/-]+\.ts)` \(`(\w+)`\)/g)];
    const missing = named.filter(([, file = "", name = ""]) => {
      return !new RegExp(`\\b${name}\\(`).test(readFileSync(join(ROOT, file), "utf8"));
    });
    expect(missing.map(([text]) => text)).toEqual([]);
  });

  it("counts the rules right", () => {
    const counts = [...textOf(document).matchAll(/(\d+) rules/g)].map(([, count]) => Number(count));
    expect(counts.filter((count) => count !== Object.keys(RULES).length)).toEqual([]);
  });
});

it("every document is reached from the README, over links", () => {
  const reached = new Set<string>();
  const follow = (document: string) => {
    if (reached.has(document) || !document.endsWith(".md")) return;
    reached.add(document);
    for (const { to } of linksOf(document)) follow(to);
  };
  follow("README.md");
  expect(DOCUMENTS.filter((document) => !reached.has(document) && document !== "CONTRIBUTING.md")).toEqual([]);
});

it("the index names every page of the documentation", () => {
  const named = linksOf("docs/README.md").map(({ to }) => to);
  const pages = DOCUMENTS.filter((document) => /^docs\/(?:[^/]+|(?:guides|reference)\/[^/]+)\.md$/.test(document));
  expect(pages.filter((page) => page !== "docs/README.md" && !named.includes(page))).toEqual([]);
});

it("the README has no picture: on the page of the registry a relative one is not there", () => {
  expect(textOf("README.md")).not.toMatch(/!\[/);
});
