import type { IncomingMessage } from "node:http";
import { expect, it } from "vitest";
import { ToldOnce } from "../src/report/told-once.js";

it("what is told once for each route takes a bounded amount of memory", () => {
  const told = new ToldOnce();
  const letters = (n: number) => [...String(n)].map((digit) => "abcdefghij"[Number(digit)]).join("");
  const isNew = (n: number) => told.isNew("FR-5", { method: "GET", url: `/${letters(n)}` } as IncomingMessage);
  const count = Array.from({ length: 5_000 }, (_, n) => isNew(n)).filter(Boolean).length;
  expect(count).toBe(1_000);
  expect(isNew(7)).toBe(false);
});
