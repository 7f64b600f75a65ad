import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DEATHS } from "../../playground/deaths/deaths.js";
import { type DeathFinding, isPromiseKept } from "../../playground/deaths/provoke-death.js";
import { SupervisedProgram, type Supervision } from "../../playground/deaths/supervised-program.js";
import { type DeathFindings, surveyDeaths } from "../../playground/deaths/survey-deaths.js";
import { emptyTally, OUTCOMES, type Outcome, unansweredText } from "../../playground/deaths/tally.js";

const README = readFileSync(new URL("../../README.md", import.meta.url), "utf8");

/** Lets a program die every death. */
async function dieAll(supervision: Supervision): Promise<DeathFindings> {
  const program = new SupervisedProgram("node", supervision);
  try {
    return await surveyDeaths(program, 0, () => {});
  } finally {
    await program.stop();
  }
}

/** What the table of the README says that an edge shows: title, bare and kept. */
function documented(): Map<string, readonly [bare: string, kept: string]> {
  const [, table = ""] = /<!-- deaths: [^>]*-->\n(.*?)<!-- \/deaths -->/s.exec(README) ?? [];
  const rows = table.matchAll(/^\| (.+?) \| (.+?) \| (.+?) \| (?:KILLED|-) \|$/gm);
  return new Map([...rows].map(([, title = "", bare = "", kept = ""]) => [title, [bare, kept]]));
}

function shown({ tally }: DeathFinding): string[] {
  return (Object.keys(OUTCOMES) as Outcome[])
    .filter((outcome) => tally[outcome] > 0)
    .map((outcome) => OUTCOMES[outcome]);
}

describe.skipIf(process.platform === "win32")("a process that dies under load", { timeout: 120_000 }, () => {
  it("is in the table of the README in each way that npm start shows", () => {
    expect([...documented().keys()]).toEqual(DEATHS.map(({ title }) => title));
  });

  it.concurrent("costs answers with a plain supervisor, as the README says", async ({ expect }) => {
    for (const [death, finding] of await dieAll("bare")) {
      const [bare = ""] = documented().get(death.title) ?? [];
      expect(shown(finding), death.name).toEqual(expect.arrayContaining(bare.split(", ")));
      expect(isPromiseKept(death, finding), death.name).toBe(false);
    }
  });

  it.concurrent("is answered for by the keeper, as the README says", async ({ expect }) => {
    for (const [death, finding] of await dieAll("kept")) {
      const [, kept = ""] = documented().get(death.title) ?? [];
      expect(isPromiseKept(death, finding), `${death.name}: ${JSON.stringify(finding)}`).toBe(true);
      expect(shown(finding), death.name).toContain(/^\d+/.exec(kept)?.[0]);
      if (!death.isPlanned) expect(finding.incidents.map(({ code }) => code)).toContain("KILLED");
    }
  });
});

describe("the promise of the keeper", () => {
  const [death] = DEATHS as [(typeof DEATHS)[number]];
  const planned = DEATHS.find(({ isPlanned }) => isPlanned) as (typeof DEATHS)[number];
  const finding = (seen: Partial<Record<Outcome, number>>, tornDown = 0): DeathFinding => ({
    tally: { ...emptyTally(), answered: 100, ...seen },
    longestMs: 1,
    awayMs: 1,
    end: undefined,
    incidents: Array.from({ length: tornDown }, () => ({
      code: "KILLED",
      action: "torn down",
      prevented: null,
      reason: "",
      ray: null,
      method: "GET",
      url: "/",
      status: null,
    })),
  });

  it.each([
    [{}, 0],
    [{ unavailable: 12 }, 0],
    [{ unavailable: 12, empty: 1 }, 0],
    [{ unavailable: 12, silent: 1 }, 0],
    [{ cut: 2, empty: 1 }, 2],
  ])("holds where clients have seen %o, and %i breaks were told", (seen, tornDown) => {
    expect(isPromiseKept(death, finding(seen, tornDown))).toBe(true);
  });

  it.each([
    [{ refused: 1 }, 0],
    [{ wrong: 1 }, 0],
    [{ empty: 2 }, 0],
    [{ empty: 1, silent: 1 }, 0],
    [{ cut: 2 }, 0],
    [{ cut: 3, empty: 1 }, 2],
    [{ answered: 0 }, 0],
  ])("is broken where clients have seen %o, and %i breaks were told", (seen, tornDown) => {
    expect(isPromiseKept(death, finding(seen, tornDown))).toBe(false);
  });

  it("is broken where nobody comes back", () => {
    expect(isPromiseKept(death, { ...finding({}), awayMs: undefined })).toBe(false);
  });

  it.each([{ unavailable: 1 }, { cut: 1 }, { empty: 1 }, { silent: 1 }])("does not let a deploy cost %o", (seen) => {
    expect(isPromiseKept(planned, finding({}))).toBe(true);
    expect(isPromiseKept(planned, finding(seen, 1))).toBe(false);
  });

  it("is told in few words", () => {
    expect(unansweredText(finding({}).tally)).toBe("nothing lost");
    expect(unansweredText(finding({ refused: 80, empty: 12, cut: 2 }).tally)).toBe("12 × 520, 80 × 521, 2 × cut");
  });
});
