import { expect, it } from "vitest";
import { BUDGETS } from "../../bench/budgets.js";
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

it("the page of the cost states the budgets of the benchmark, all but those of the keeper, which has a page of its own", () => {
  const stated = [...textOf("docs/reference/cost.md").matchAll(/ \| (\d[\d.]*), (\d[\d.]*) \|$/gm)];
  const { kept: _, keptConnection: __, ...budgets } = BUDGETS;
  const pairs = Object.values(budgets).map(({ express, fastify }) => [express, fastify]);
  expect(stated.map(([, express, fastify]) => [Number(express), Number(fastify)])).toEqual(pairs);
});
