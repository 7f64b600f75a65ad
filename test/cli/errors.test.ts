import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { row, week } from "../cloudflare/analytics-rows.js";
import { AnalyticsServer, FREE, TOKEN, ZONE } from "../cloudflare/analytics-server.js";
import { rayguard } from "./command.js";
import { STARTS } from "./provoke.js";

const server = new AnalyticsServer();
const directory = mkdtempSync(join(tmpdir(), "rayguard-errors-"));
beforeAll(() => server.start());
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await server.stop();
});
afterEach(() => server.reset());

const HOUR_MS = 3_600_000;
const COUNTS = [130, 3, 20, 0, 45, 2, 1];
const TOTAL = COUNTS.reduce((a, b) => a + b);

/** Runs the command with a token in its environment, which must never come out of it again. */
async function errors(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
  const given = { CLOUDFLARE_API_TOKEN: TOKEN, RAYGUARD_ANALYTICS_ENDPOINT: server.url, ...env };
  const ran = await rayguard(["errors", "--zone", ZONE, ...args], given);
  expect(ran.out + ran.err).not.toContain(TOKEN);
  return ran;
}

describe("rayguard errors", () => {
  it("counts what the API has, over windows and pages, and ends with 0", async () => {
    server.reset(FREE, week(COUNTS));
    const { code, out, err } = await errors(["--since", "7d", "--json"]);
    const counted = JSON.parse(out);
    expect(counted.byStatus).toEqual(COUNTS.map((count, i) => ({ status: 520 + i, count })));
    expect(counted).toMatchObject({ total: TOTAL, rowsComplete: true, warnings: [] });
    expect(counted.rows).toHaveLength(TOTAL);
    expect({ code, err }).toEqual({ code: 0, err: "" });
  });

  it("tells it in tables, with what sampling means", async () => {
    server.reset(FREE, week(COUNTS));
    const { out } = await errors(["--since", "7d", "--rays", "5"]);
    expect(out).toContain(`${TOTAL} errors of the edge about the origin server`);
    expect(out).toMatch(/^520 +130 {2}empty, unknown or unexpected response$/m);
    expect(out).toMatch(/^520 +nothing +86$/m);
    expect(out).toMatch(/^520 +nothing +shop\.example\/path\/\d +\d+$/m);
    expect(out.match(/^\d{4}-\d\d-\d\dT\S+ {2}[0-9a-f]{16} {2}52\d /gm)).toHaveLength(5);
    expect(out).toContain(`... and ${TOTAL - 5} more`);
    expect(out).toContain("A Ray ID that is not here may have failed all the same.");
    expect(out).not.toContain("\x1b");
  });

  it("says how strongly the data is sampled", async () => {
    server.reset(FREE, [row(HOUR_MS, 520, { sampleInterval: 10 })]);
    expect((await errors()).out).toContain("One recorded request stands for up to 10 of them.");
  });

  it("counts only some statuses of a range, from its start to its end", async () => {
    server.reset(FREE, [row(HOUR_MS, 520), row(5 * HOUR_MS, 520), row(5 * HOUR_MS, 521), row(9 * HOUR_MS, 520)]);
    const until = new Date(Date.now() - 3 * HOUR_MS).toISOString();
    const { out } = await errors(["--since", "6h", "--until", until, "--status", "520,524", "--json"]);
    expect(JSON.parse(out)).toMatchObject({
      total: 1,
      byStatus: [
        { status: 520, count: 1 },
        { status: 524, count: 0 },
      ],
    });
  });

  it.each([
    [0, 1],
    [2, 1],
    [3, 0],
    [4, 0],
  ])("ends by a threshold of %i with %i for 3 errors", async (threshold, exit) => {
    server.reset(FREE, [row(HOUR_MS, 520), row(HOUR_MS, 522), row(HOUR_MS, 524)]);
    const { code, err } = await errors(["--threshold", String(threshold)]);
    expect(code).toBe(exit);
    expect(err).toBe(exit === 0 ? "" : `rayguard: 3 errors are more than the threshold of ${threshold}\n`);
  });

  it("warns of what the plan does not have, and goes on", async () => {
    server.reset({ ...FREE, notOlderThan: 86_400 }, [row(HOUR_MS, 520)]);
    const { out, code } = await errors(["--since", "30d"]);
    expect(out).toMatch(/^Warning: Counted only from .* keeps the last 1d\.$/m);
    expect(code).toBe(0);
  });

  it("prints nothing of foreign paths raw", async () => {
    server.reset(FREE, [
      row(HOUR_MS, 520, { clientRequestPath: "/\x1b]0;owned\x07\u009b31m", clientRequestHTTPHost: "a\nb" }),
    ]);
    for (const args of [[], ["--json"]]) {
      const { out } = await errors(args);
      expect(out).toContain("owned");
      expect(out).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
      expect(out.split("\n").some((line) => line.startsWith("b"))).toBe(false);
    }
  });
});

describe("rayguard errors --join", () => {
  it("puts beside each Ray what a real origin server logged about it", async () => {
    const log = join(mkdtempSync(join(directory, "join-")), "app.log");
    const rows = [row(2_000, 520), row(3_000, 524), row(4_000, 520), row(HOUR_MS, 520)];
    const [dropped, late, absent, before] = rows.map(({ rayName }) => rayName) as [string, string, string, string];
    const origin = await (STARTS.node as (typeof STARTS)[string])(log);
    await origin.ask("/drop", dropped);
    await origin.ask("/never", late);
    await origin.ask("/fine", "230b030023ae9999");
    await origin.close();
    server.reset(FREE, rows);

    const { out } = await errors(["--json", "--join", log]);
    const { rows: told, files } = JSON.parse(out);
    const originOf = (ray: string) => told.find((each: { ray: string }) => each.ray === ray).origin;
    expect(originOf(dropped)).toMatchObject({ found: true, incidents: ["MC-2"], verdict: { shown: "none" } });
    expect(originOf(late)).toMatchObject({ found: true, incidents: ["MC-10"] });
    expect(originOf(absent)).toMatchObject({ found: false });
    expect(files).toMatchObject([{ file: log, lines: 5 }]);

    const { out: prose } = await errors(["--join", log]);
    expect(prose).toMatch(new RegExp(`${dropped} .*replaced, status 500, [\\d.]+ ms; MC-2$`, "m"));
    expect(prose).toMatch(new RegExp(`${absent} .*never arrived, as far as these files tell$`, "m"));
    expect(prose).toMatch(new RegExp(`${before} .*outside the time of these files$`, "m"));
  });

  it("ends with 2 where a log cannot be read", async () => {
    const { code, out, err } = await errors(["--join", join(directory, "none.log")]);
    expect(err).toContain("there is no such file");
    expect({ code, out }).toEqual({ code: 2, out: "" });
  });

  it("brings in a few thousand Rays in one go", async () => {
    const rows = week([3_000], 1);
    const log = join(directory, "many.log");
    const lines = rows.map(({ rayName }, i) =>
      JSON.stringify({
        time: Date.now(),
        ray: rayName,
        method: "GET",
        url: "/",
        status: 200,
        octets: 1,
        ms: i,
        outcome: "intact",
        reqId: `req-${i}`,
      }),
    );
    writeFileSync(log, lines.join("\n"));
    server.reset({ ...FREE, maxPageSize: 1_000 }, rows);
    const { out } = await errors(["--json", "--join", log]);
    const { rows: told } = JSON.parse(out);
    expect(told.length).toBeGreaterThan(2_900);
    expect(told.filter(({ origin }: { origin: { found: boolean } }) => origin.found)).toHaveLength(told.length);
  }, 60_000);
});

describe("rayguard errors that cannot count", () => {
  it.each([
    ["without a token", [], { CLOUDFLARE_API_TOKEN: "" }, "CLOUDFLARE_API_TOKEN is not set"],
    ["with a wrong token", [], { CLOUDFLARE_API_TOKEN: "wrong-secret" }, "The API token was refused (403"],
    ["for a zone the token does not reach", ["--zone", "f".repeat(32)], {}, "does not reach zone"],
    ["for a zone that is none", ["--zone", "shop.example"], {}, "32 hexadecimal digits"],
    ["for a range that is none", ["--since", "yesterday"], {}, "span back from now"],
    ["for statuses that are none", ["--status", "52x"], {}, "520,524"],
    ["for a threshold that is none", ["--threshold", "-1"], {}, "whole number"],
    ["where nobody listens", ["--endpoint", "http://127.0.0.1:9/graphql"], {}, "127.0.0.1:9 cannot be asked"],
    ["over an endpoint in the clear", ["--endpoint", "http://api.example/graphql"], {}, "https:"],
  ] as const)(
    "end with 2 %s",
    async (_, args, env, says) => {
      const { code, out, err } = await errors(args, env);
      expect(err).toContain(says);
      expect(err).not.toContain("wrong-secret");
      expect(err).not.toMatch(/^\s+at /m);
      expect({ code, out }).toEqual({ code: 2, out: "" });
    },
    15_000,
  );

  it("end with 2 without a zone", async () => {
    const { code, err } = await rayguard(["errors"], { CLOUDFLARE_API_TOKEN: TOKEN, CLOUDFLARE_ZONE_ID: "" });
    expect(err).toContain("Which zone?");
    expect(code).toBe(2);
  });
});
