import { describe, expect, it } from "vitest";
import { listen } from "../../testing/servers.js";
import type { Broken } from "./broken/broken.js";
import { probeUrl, told, urlOf } from "./run-probe.js";

/** One test for each, side by side, since most of the time goes by in waiting. */
export function foundOut(all: readonly Broken[]): void {
  describe("an origin server that", () => {
    it.concurrent.for(all.map((one): [string, Broken] => [one.name, one]))(
      "%s is found out",
      { timeout: 40_000 },
      async ([, broken], { onTestFinished }) => {
        const server = await listen(await broken.start(), onTestFinished);
        const findings = await probeUrl(urlOf(server, broken.secure === true ? "https" : "http"), broken.settings);
        const ids = findings.map(({ id }) => id);
        expect(ids, told(findings).join("\n")).toEqual(expect.arrayContaining([...broken.finds]));
        const allowed: readonly string[] = [...broken.finds, ...(broken.besides ?? [])];
        const others = findings.filter(({ id, severity }) => severity === "error" && !allowed.includes(id));
        expect(told(others)).toEqual([]);
      },
    );
  });
}
