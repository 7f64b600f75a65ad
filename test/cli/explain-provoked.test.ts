import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rayguard } from "./command.js";
import { PATHS, STARTS } from "./provoke.js";

/** What has to be told of each fault: incident, fitting error of the edge, exit code. */
const EXPECTED: Readonly<Record<string, readonly [code: string | undefined, shown: string, exit: number]>> = {
  "/fine": [undefined, "none", 0],
  "/drop": ["MC-2", "none", 1],
  "/short": ["MC-5", "none", 1],
  "/long": ["MC-7", "none", 1],
  "/never": ["MC-10", "none", 1],
  "/late": ["LATE_WRITE", "none", 0],
  "/twice": ["FR-3", "none", 0],
  "/gateway": ["GATEWAY_STATUS", "none", 1],
  "/interim": ["SL-3", "none", 1],
  "/large": ["HF-18", "none", 1],
  "/raw": ["RAW_WRITE", "none", 1],
  "/cut": ["MC-9", "truncated", 1],
  "/throw": ["HANDLER_ERROR", "none", 1],
};

/** Without a guard that acts, the edge shows its own errors. */
const REPORTED: Readonly<Record<string, string>> = { "/drop": "520", "/never": "524", "/large": "520" };

const rayOf = (path: string) => (0x230b0300 + PATHS.indexOf(path)).toString(16).padStart(16, "0");

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "rayguard-explain-"));
});
afterAll(() => rm(directory, { recursive: true }));

async function explain(path: string, log: string) {
  const { code, out, err } = await rayguard(["explain", rayOf(path), log, "--json"]);
  expect(err).toBe("");
  return { code, told: JSON.parse(out) };
}

for (const [name, start] of Object.entries(STARTS)) {
  describe(`faults of a guarded ${name} origin server`, () => {
    let log: string;

    beforeAll(async () => {
      log = join(directory, `${name}.log`);
      const origin = await start(log);
      for (const path of PATHS) await origin.ask(path, rayOf(path));
      await origin.close();
    });

    it.each(PATHS)("explains %s from its log", async (path) => {
      const { code, told } = await explain(path, log);
      const [incident, shown, exit] = EXPECTED[path] as (typeof EXPECTED)[string];
      // Fastify answers what a handler throws by itself, and logs it.
      const isAnswered = name === "fastify" && path === "/throw";
      const incidents = told.arrivals[0].incidents.map((each: { code: string }) => each.code);
      expect(incidents).toEqual(incident === undefined || isAnswered ? [] : [incident]);
      expect(told.explanations.map((each: { code: string }) => each.code)).toEqual(incidents);
      expect(told).toMatchObject({
        found: true,
        ray: rayOf(path),
        colo: "SJC",
        arrivals: [{ request: { url: path } }],
      });
      expect({ shown: told.verdict.shown, code }).toEqual({ shown, code: exit });
    });

    it("tells it in plain words", async () => {
      const { out } = await rayguard(["explain", rayOf("/throw"), log]);
      expect(out).toMatch(
        /^GET \/throw arrived at \d{4}-\d\d-\d\d [\d:.]+ UTC from 203\.0\.113\.7 \(verified\) \(process \d+ on host .+\)\.$/m,
      );
      expect(out).toMatch(/Error: {2}Error: pool timeout\n +at .*provoke\.ts/);
      expect(out).toContain("Cloudflare error that fits: none.");
    });
  });
}

describe("a request id of Fastify", () => {
  it("brings in the lines of the app that name no Ray, and no other's", async () => {
    const log = join(directory, "fastify.log");
    const { told } = await explain("/late", log);
    const lines = (await readFile(log, "utf8")).split("\n");
    const own = lines.filter((line) => line.includes(`"reqId":"req-${PATHS.indexOf("/late") + 1}"`));
    expect(own).toHaveLength(5);
    expect(told.lines.map((entry: { line: number }) => lines[entry.line - 1]).sort()).toEqual(own.sort());
    expect(told.lines.map((entry: { message?: string }) => entry.message)).toContain("about to act");
  });
});

describe("a refusal that has no line of its own", () => {
  it("is explained from the code in the line of the request", async () => {
    const log = join(directory, "overload.log");
    const origin = await (STARTS.node as (typeof STARTS)[string])(log, { overload: { maxInFlight: 1, maxQueued: 0 } });
    const rays = ["230b030023ae0001", "230b030023ae0002", "230b030023ae0003", "230b030023ae0004"];
    await Promise.all(rays.map((ray) => origin.ask("/never", ray)));
    await origin.close();
    const told = await Promise.all(
      rays.map(async (ray) => JSON.parse((await rayguard(["explain", ray, log, "--json"])).out)),
    );
    const refused = told.filter(({ arrivals }) => arrivals[0].request.incident === "OVERLOAD");
    const silent = refused.filter(({ arrivals }) => arrivals[0].incidents.length === 0);
    expect(silent.length).toBeGreaterThan(0);
    for (const { explanations } of refused) expect(explanations).toMatchObject([{ code: "OVERLOAD" }]);
    const { out } = await rayguard(["explain", silent[0].ray, log]);
    expect(out).toContain("Incident OVERLOAD, told by the line of the request");
    expect(out).toMatch(/Next: .*give the process less work, or add processes/s);
  });
});

describe("a guard in report mode", () => {
  it.each(Object.entries(REPORTED))("is told what the edge made of %s: %s", async (path, shown) => {
    const log = join(directory, `report${path.slice(1)}.log`);
    const origin = await (STARTS.node as (typeof STARTS)[string])(log, { mode: "report" });
    // Nothing answers /never here: the fault is reported, and the edge would go on waiting.
    const asked = origin.ask(path, rayOf(path)).catch(() => {});
    await expect.poll(() => readFile(log, "utf8").catch(() => ""), { timeout: 5_000 }).toContain('"action":"reported"');
    await origin.close();
    await asked;
    const { told, code } = await explain(path, log);
    expect({ shown: told.verdict.shown, code }).toEqual({ shown, code: 1 });
  });
});
