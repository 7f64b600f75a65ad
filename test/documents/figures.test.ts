import { expect, it } from "vitest";
import { textOf } from "./documents.js";

const figuresIn = (text: string): string[] => text.match(/\b\d\.\d{1,2}\b/g) ?? [];

const measured = figuresIn(textOf("docs/reference/cost.md"));

it("the README states no figure of the cost that its page does not state", () => {
  const section = /^## Cost\n([\s\S]*?)^## /m.exec(textOf("README.md"))?.[1] ?? "";
  const figures = figuresIn(section);
  expect(figures.length).toBeGreaterThan(3);
  expect(figures.filter((figure) => !measured.includes(figure))).toEqual([]);
});

it("the comparison states the cost of rayguard as its page does", () => {
  const rows = textOf("docs/comparison.md").match(/^\| rayguard with.*$/gm) ?? [];
  expect(rows).toHaveLength(2);
  expect(figuresIn(rows.join("\n")).filter((figure) => !measured.includes(figure))).toEqual([]);
});
