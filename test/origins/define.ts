import { beforeAll, describe, expect, it } from "vitest";
import { everyDayJobs, runJobs } from "./pool.js";
import type { Framework, Variant } from "./scenario.js";
import { GROUPS } from "./scenarios/index.js";
import type { Verdict } from "./suite.js";

const VARIANT: Record<Variant, string> = {
  plain: "",
  hijacked: " (hijacked reply)",
  errorHandler: " (with guard.errorHandler)",
};

/** Defines a test for every scenario of a guarded framework; the runs happen in child processes, all before the first test. */
export function defineOriginTests(framework: Framework): void {
  const jobs = everyDayJobs(framework);
  let verdicts = new Map<number, Verdict>();
  beforeAll(async () => {
    verdicts = await runJobs(jobs, 6);
    // Some scenarios race a deadline or an abort by the client, and a busy machine decides the race: those get a second
    // look, alone.
    const doubtful = jobs.filter(({ id }) => verdicts.get(id)?.wrong.length !== 0);
    if (doubtful.length > 0 && doubtful.length <= 20) {
      for (const [id, verdict] of await runJobs(doubtful, 1)) verdicts.set(id, verdict);
    }
  }, 600_000);

  const groupOf = new Map(GROUPS.flatMap(({ group, scenarios }) => scenarios.map(({ name }) => [name, group])));
  for (const { group } of GROUPS) {
    const own = jobs.filter(({ name }) => groupOf.get(name) === group);
    if (own.length === 0) continue;
    describe(`a guarded ${framework} origin server: ${group}`, () => {
      for (const { id, name, variant } of own) {
        it(`${name}${VARIANT[variant]}`, () => {
          const verdict = verdicts.get(id);
          expect(verdict?.wrong, verdict?.received).toEqual([]);
        });
      }
    });
  }
}
