import { beforeAll, describe, expect, it } from "vitest";
import { everyDayHttp2Jobs, everyDayJobs, runJobs } from "./pool.js";
import type { Framework, Protocol, Variant } from "./scenario.js";
import { GROUPS } from "./scenarios/index.js";
import type { Verdict } from "./suite.js";
import type { Job } from "./worker.js";

const VARIANT: Record<Variant, string> = {
  plain: "",
  hijacked: " (hijacked reply)",
  errorHandler: " (with guard.errorHandler)",
};

const PROTOCOL: Record<Protocol, string> = { "http/1.1": "", h2c: "", h2: " (over TLS)" };

/** Defines a test for every scenario of a guarded framework. */
export function defineOriginTests(framework: Framework): void {
  defineTests(`a guarded ${framework} origin server`, everyDayJobs(framework));
}

/** The same over HTTP/2, for every scenario that means something there. */
export function defineHttp2OriginTests(...frameworks: Framework[]): void {
  defineTests(`a guarded ${frameworks.join(" or ")} origin server over HTTP/2`, everyDayHttp2Jobs(...frameworks));
}

/** Defines a test for every job; the runs happen in child processes, all before the first test. */
function defineTests(title: string, jobs: readonly Job[]): void {
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
    describe(`${title}: ${group}`, () => {
      for (const { id, name, variant, framework, protocol } of own) {
        const on = framework === "express4" ? " (express4)" : "";
        it(`${name}${VARIANT[variant]}${on}${PROTOCOL[protocol]}`, () => {
          const verdict = verdicts.get(id);
          expect(verdict?.wrong, verdict?.received).toEqual([]);
        });
      }
    });
  }
}
