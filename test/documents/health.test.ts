import { expect, it } from "vitest";
import { HEALTH_DEFAULTS } from "../../src/health/health-options.js";
import { createGuard } from "../../src/index.js";
import { textOf } from "./documents.js";

it("docs/guides/health.md has every option of the health check, with its default", () => {
  const table = textOf("docs/guides/health.md").split("| option of `health` |")[1] ?? "";
  const rows = [...table.matchAll(/^\| ((?:`\w+`(?:, )?)+) \| (?:`(.*?)`|none) \|/gm)];
  const stated = new Map(
    rows.flatMap(([, names = "", value]) => (names.match(/\w+/g) ?? []).map((name) => [name, value])),
  );
  for (const [name, value] of Object.entries(HEALTH_DEFAULTS))
    expect(stated.get(name), name).toBe(JSON.stringify(value));
  // A name that is none throws.
  const options = Object.fromEntries([...stated.keys()].map((name) => [name, VALUES[name]]));
  createGuard({ logger: false, health: options }).close();
  expect([...stated.keys()].sort()).toEqual(Object.keys(VALUES).sort());
});

const VALUES: Readonly<Record<string, unknown>> = {
  path: "/health",
  livePath: "/live",
  readyPath: "/ready",
  checks: {},
  timeoutMs: 1,
  cacheMs: 0,
  details: true,
};
