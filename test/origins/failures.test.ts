import { describe, expect, it } from "vitest";
import { isRightBareOverHttp2, recorded } from "./bare-http2.js";
import { jobsFor } from "./pool.js";
import { RIGHT_BARE } from "./right-bare.js";
import { FRAMEWORKS, type RequestParts } from "./scenario.js";
import { GROUPS } from "./scenarios/index.js";

const scenarios = GROUPS.flatMap((group) => group.scenarios);
const range = (prefix: string, ...numbers: number[]) => numbers.map((number) => `${prefix}-${number}`);

/** Rules the guard enforces on HTTP/1.1 while a process lives: design section 4, guarded tier. */
const ENFORCED = [
  ...range("MC", 1, 2, 3, 4, 5, 6, 7, 9, 10),
  ...range("IR", 1, 2, 3, 4, 6, 7),
  ...range("FR", 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18),
  ...range("TR", 2, 4),
  ...range("CX", 1, 2, 3, 4, 5, 6, 8, 9, 10),
  ...range("SL", 1, 2, 3, 4, 5, 7, 8, 9, 10),
  ...range("HF", 1, 2, 3, 4, 5, 6, 7, 10, 17, 18, 19, 20),
  "MD-1",
];

describe("the collection of misbehaving origin servers", () => {
  const exercised = new Set(scenarios.flatMap(({ rules = [] }) => rules));

  it.each(ENFORCED)("exercises rule %s", (rule) => {
    expect(exercised).toContain(rule);
  });

  it("marks as right without the guard only what it holds", () => {
    const names = new Set(scenarios.map(({ name }) => name));
    expect([...RIGHT_BARE].filter((name) => !names.has(name))).toEqual([]);
  });

  it("consists for the most part of scenarios that fail without the guard", () => {
    const failing = scenarios.filter(({ name, control }) => !control && !RIGHT_BARE.has(name));
    expect(failing.length).toBeGreaterThan(scenarios.length / 2);
  });
});

/** What cannot be asked over HTTP/2: octets of HTTP/1.1, another version, fields of a connection. */
function hasNodeResponse(request: string | RequestParts | undefined): boolean {
  if (request === undefined) return false;
  if (typeof request === "string" || request.version === "1.0") return true;
  return Object.keys(request.headers ?? {}).some((name) => /^(?:connection|upgrade|expect)$/i.test(name));
}

describe("the same over HTTP/2", () => {
  it("says of each scenario how it is asked there, or why it is not", () => {
    const unsaid = scenarios.filter(
      ({ client, request, onlyHttp1, http2 }) =>
        onlyHttp1 === undefined && http2?.client === undefined && (client !== undefined || hasNodeResponse(request)),
    );
    expect(unsaid.map(({ name }) => name)).toEqual([]);
  });

  it("gives a reason where a scenario does not run, and nothing beside it", () => {
    const doubtful = scenarios.filter(({ onlyHttp1, http2 }) => onlyHttp1 !== undefined && http2 !== undefined);
    expect(doubtful.map(({ name }) => name)).toEqual([]);
  });

  it("knows what bare frameworks do with each scenario that runs", () => {
    const running = FRAMEWORKS.flatMap((framework) => jobsFor(framework, false, "h2c").map(({ name }) => name));
    expect(Object.keys(recorded).sort()).toEqual([...new Set(running)].sort());
  });

  it("consists for the most part of scenarios that fail without the guard", () => {
    const failing = scenarios.filter(
      ({ name, control }) => !control && name in recorded && !isRightBareOverHttp2(name),
    );
    expect(failing.length).toBeGreaterThan(Object.keys(recorded).length / 2);
  });
});
