import type { ServerResponse } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type CountErrorsOptions, countErrors, RayguardError } from "../../src/cloudflare/analytics/index.js";
import { row, week } from "./analytics-rows.js";
import { AnalyticsServer, FREE, type Row, TOKEN, ZONE } from "./analytics-server.js";

const server = new AnalyticsServer();
beforeAll(() => server.start());
afterAll(() => server.stop());
afterEach(() => server.reset());

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function ask(sinceMs: number, more: Partial<CountErrorsOptions> = {}) {
  return countErrors({
    zone: ZONE,
    token: TOKEN,
    since: new Date(Date.now() - sinceMs),
    endpoint: server.url,
    ...more,
  });
}

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail("it was answered"),
    (error: unknown) => {
      expect(error).toBeInstanceOf(RayguardError);
      return error as RayguardError;
    },
  );

const raysOf = (rows: readonly Row[]) => rows.map(({ rayName }) => rayName).sort();

/** Requests that are none of the errors of visitors. */
const others = [
  row(HOUR_MS, 200),
  row(HOUR_MS, 500),
  row(HOUR_MS, 502),
  row(HOUR_MS, 520, { requestSource: "edgeWorkerFetch" }),
];

describe("a week of errors on the free plan", () => {
  const counts = [701, 33, 250, 4, 101, 2, 1];

  it("is counted to the last one, and listed with its Ray IDs, over windows of a day and pages of 100", async () => {
    const seeded = week(counts);
    server.reset(FREE, [...seeded, ...others]);
    const counted = await ask(7 * DAY_MS);
    expect(counted.byStatus).toEqual(counts.map((count, i) => ({ status: 520 + i, count })));
    expect(counted.total).toBe(counts.reduce((a, b) => a + b));
    expect(counted.rows.map(({ ray }) => ray).sort()).toEqual(raysOf(seeded));
    expect(counted).toMatchObject({ rowsComplete: true, sampleInterval: 1, warnings: [] });
    // One for the settings, seven windows, and a page for each full hundred of a window at least.
    expect(counted.queries).toBeGreaterThan(1 + 7 + 10);
  });

  it("is counted by status of the origin server, and by path", async () => {
    server.reset(FREE, week(counts));
    const { byOrigin, byPath } = await ask(7 * DAY_MS);
    const of520 = byOrigin.filter(({ status }) => status === 520);
    expect(of520).toEqual([
      { status: 520, originStatus: 0, count: 467 },
      { status: 520, originStatus: 200, count: 234 },
    ]);
    const paths = byPath.filter(({ status, path }) => status === 520 && path === "/path/0");
    expect(paths.map(({ count }) => count).reduce((a, b) => a + b)).toBe(141);
    expect(byPath[0]).toMatchObject({ host: "shop.example", status: 520 });
  });

  it("is counted for some statuses only, and without rows", async () => {
    server.reset(FREE, week(counts));
    const counted = await ask(7 * DAY_MS, { statuses: [524, 520], maxRows: 0 });
    expect(counted.byStatus).toEqual([
      { status: 524, count: 101 },
      { status: 520, count: 701 },
    ]);
    expect(counted.rows).toEqual([]);
  });
});

describe("many rows of one second", () => {
  it.each([99, 100, 101, 350])("are all listed once: %i", async (count) => {
    const { datetime: second } = row(HOUR_MS, 520);
    const seeded = [...Array.from({ length: count }, () => row(0, 520, { datetime: second })), ...week([150, 150], 1)];
    server.reset(FREE, seeded);
    const { rows, total, rowsComplete } = await ask(DAY_MS - HOUR_MS / 2);
    const inRange = seeded.filter(({ datetime }) => Date.parse(datetime) >= Date.now() - DAY_MS + HOUR_MS / 2);
    expect(rows.map(({ ray }) => ray).sort()).toEqual(raysOf(inRange));
    expect({ total, rowsComplete }).toEqual({ total: inRange.length, rowsComplete: true });
  });

  it("are a page of them, and that is told, where rows cannot be ordered by Ray ID", async () => {
    const { datetime } = row(HOUR_MS, 520);
    const seeded = Array.from({ length: 350 }, () => row(HOUR_MS, 520, { datetime }));
    const older = row(2 * HOUR_MS, 521);
    server.reset({ ...FREE, ordersRays: false }, [...seeded, older]);
    const { rows, total, rowsComplete } = await ask(12 * HOUR_MS);
    expect({ total, rowsComplete }).toEqual({ total: 351, rowsComplete: false });
    expect(rows.length).toBeGreaterThan(100);
    expect(rows.at(-1)?.ray).toBe(older.rayName);
  });

  it("at the border of two windows are counted once", async () => {
    const to = Math.floor(Date.now() / 1_000) * 1_000;
    const border = Date.now() - (to - DAY_MS);
    server.reset(FREE, [row(border, 520), row(border + 1_000, 520), row(border - 1_000, 520)]);
    const counted = await ask(2 * DAY_MS, { since: new Date(to - 2 * DAY_MS), until: new Date(to) });
    expect(counted.total).toBe(3);
    expect(counted.rows).toHaveLength(3);
  });
});

describe("more rows than asked for", () => {
  it("are cut after the newest ones, and that is told", async () => {
    const seeded = week([400]);
    server.reset(FREE, seeded);
    const { rows, rowsComplete, total } = await ask(7 * DAY_MS, { maxRows: 150 });
    const newest = [...seeded].sort((a, b) => (a.datetime < b.datetime ? 1 : -1)).slice(0, 150);
    expect(rows.map(({ datetime }) => datetime).sort()).toEqual(newest.map(({ datetime }) => datetime).sort());
    expect({ rowsComplete, total }).toEqual({ rowsComplete: false, total: 400 });
  });
});

describe("sampled data", () => {
  it("is counted with what each row stands for, and says so", async () => {
    const seeded = [row(HOUR_MS, 520, { sampleInterval: 10 }), row(HOUR_MS, 520, { sampleInterval: 10 })];
    server.reset(FREE, seeded);
    const { total, sampleInterval, rows } = await ask(DAY_MS / 2);
    expect({ total, sampleInterval, rows: rows.length }).toEqual({ total: 20, sampleInterval: 10, rows: 2 });
  });
});

describe("a range that the plan does not have", () => {
  it("is cut to what it has, with a warning", async () => {
    server.reset({ ...FREE, notOlderThan: 3 * 86_400 }, week([70]));
    const { warnings, since, total } = await ask(30 * DAY_MS);
    expect(warnings).toEqual([
      expect.stringMatching(/^Counted only from .*: the plan of this zone keeps the last 3d\.$/),
    ]);
    expect(Date.now() - Date.parse(since)).toBeLessThan(3 * DAY_MS);
    expect(total).toBe(server.rows.filter(({ datetime }) => Date.parse(datetime) >= Date.parse(since)).length);
  });

  it("is an error where it lies wholly before", async () => {
    const { code, message } = await refusal(ask(30 * DAY_MS, { until: new Date(Date.now() - 20 * DAY_MS) }));
    expect(code).toBe("ERR_RAYGUARD_ANALYTICS_TIME_RANGE");
    expect(message).toContain("keeps the last 1w1d");
  });

  it("is cut by the API's own word where the settings say otherwise", async () => {
    server.reset({ ...FREE, notOlderThan: 2 * 86_400, told: { notOlderThan: 691_200 } }, week([70]));
    const { warnings, total, rows } = await ask(7 * DAY_MS);
    expect(warnings.join(" ")).toContain("keeps the last 2d");
    expect(warnings.join(" ")).toContain("Not counted");
    expect(total).toBeGreaterThan(10);
    expect(rows.length).toBe(total);
  });

  it("is asked for in shorter windows where the API finds it too large", async () => {
    const seeded = week([300, 20]);
    server.reset({ ...FREE, maxDuration: 6 * 3_600, told: { maxDuration: 31 * 86_400 } }, seeded);
    const { total, rows } = await ask(7 * DAY_MS);
    expect(total).toBe(320);
    expect(rows.map(({ ray }) => ray).sort()).toEqual(raysOf(seeded));
  });
});

describe("fields that the plan does not have", () => {
  it("are not asked for where the settings do not list them", async () => {
    server.reset({ ...FREE, refused: ["colocode", "originresponsedurationms"] }, week([5]));
    const { rows } = await ask(7 * DAY_MS);
    expect(rows[0]).toMatchObject({ colo: null, originMs: null, status: 520, path: expect.any(String) });
    expect(server.queries.join()).not.toContain("coloCode");
  });

  it("are dropped where they are refused all the same, and the query sent again", async () => {
    server.reset(
      { ...FREE, refused: ["colocode", "cachestatus", "originresponsestatus", "requestsource"], lists: false },
      week([5]),
    );
    const { rows, total, byOrigin, warnings } = await ask(7 * DAY_MS);
    expect({ total, rows: rows.length }).toEqual({ total: 5, rows: 5 });
    expect(byOrigin).toEqual([{ status: 520, originStatus: null, count: 5 }]);
    expect(warnings).toEqual([expect.stringContaining("Subrequests of Workers are counted as well")]);
  });

  it("are an error where nothing can be counted without them", async () => {
    server.reset({ ...FREE, refused: ["edgeresponsestatus"] }, week([5]));
    expect(await refusal(ask(DAY_MS))).toMatchObject({
      code: "ERR_RAYGUARD_ANALYTICS_PLAN",
      message: expect.stringContaining("edgeResponseStatus"),
    });
  });

  it("leave the counts where only Ray IDs are missing", async () => {
    server.reset({ ...FREE, refused: ["rayname"], lists: false }, week([5]));
    const { total, rows, warnings } = await ask(7 * DAY_MS);
    expect({ total, rows }).toEqual({ total: 5, rows: [] });
    expect(warnings).toEqual([expect.stringContaining("There are no Ray IDs")]);
  });

  it("are left out where so many are too many", async () => {
    server.reset({ ...FREE, maxNumberOfFields: 4 }, week([5]));
    const { rows, total } = await ask(7 * DAY_MS);
    expect(total).toBe(5);
    expect(rows[0]).toMatchObject({ status: 520, originStatus: expect.any(Number), path: null });
    server.reset({ ...FREE, maxNumberOfFields: 3, told: { maxNumberOfFields: 30 } }, week([5]));
    expect(await ask(7 * DAY_MS)).toMatchObject({ total: 5, rows: { length: 5 } });
  });
});

describe("pages smaller than the settings say", () => {
  it("are taken as they are", async () => {
    const seeded = week([60]);
    server.reset({ ...FREE, maxPageSize: 20, told: { maxPageSize: 10_000 } }, seeded);
    const { total, rows } = await ask(7 * DAY_MS);
    expect(total).toBe(60);
    expect(rows.map(({ ray }) => ray).sort()).toEqual(raysOf(seeded));
  });
});

describe("settings", () => {
  it("that cannot be read leave those of the smallest plan, with a warning", async () => {
    server.reset({ ...FREE, maxPageSize: 10_000, hasSettings: false }, week([5]));
    const { total, warnings } = await ask(7 * DAY_MS);
    expect(total).toBe(5);
    expect(warnings[0]).toContain("those of the smallest plan are assumed");
  });

  it("without a dataset of single requests leave the counts", async () => {
    server.reset({ ...FREE, enabled: ["httpRequestsAdaptiveGroups"] }, week([5]));
    expect(await ask(7 * DAY_MS)).toMatchObject({
      total: 5,
      rows: [],
      warnings: [expect.stringContaining("no Ray IDs")],
    });
  });

  it("without any are an error", async () => {
    server.reset({ ...FREE, enabled: [] });
    expect((await refusal(ask(DAY_MS))).code).toBe("ERR_RAYGUARD_ANALYTICS_PLAN");
  });
});

describe("the rate limit", () => {
  it("is waited for, as long as the API says", async () => {
    server.reset({ ...FREE, budget: 3, refillMs: 150 }, week([5]));
    server.instead = (n, _, response) => {
      if (n === 1) response.writeHead(429, { "Retry-After": "0" }).end("error code: 1015");
      return n === 1 ? true : undefined;
    };
    const waits: number[] = [];
    const counting = ask(2 * DAY_MS, { onWait: (ms) => waits.push(ms), patienceMs: 20_000 });
    expect(await counting).toMatchObject({ total: expect.any(Number) });
    expect(waits[0]).toBe(0);
    expect(waits[1]).toBe(1_000);
  }, 60_000);

  it("is an error where that takes longer than it may", async () => {
    server.reset({ ...FREE, budget: 3 }, week([5]));
    const { code, message } = await refusal(ask(7 * DAY_MS, { patienceMs: 100 }));
    expect(code).toBe("ERR_RAYGUARD_ANALYTICS_RATE_LIMIT");
    expect(message).toContain("Try again in 5 minutes");
  });
});

describe("a token", () => {
  it("that is wrong is refused, without being repeated", async () => {
    const { code, message } = await refusal(ask(DAY_MS, { token: "another-secret" }));
    expect(code).toBe("ERR_RAYGUARD_ANALYTICS_TOKEN");
    expect(message).toContain("Account Analytics: Read");
    expect(message).toContain("Bearer [token]");
    expect(message).not.toContain("another-secret");
  });

  it("that does not reach the zone is told from a zone without errors", async () => {
    const { code, message } = await refusal(ask(DAY_MS, { zone: "f".repeat(32) }));
    expect(code).toBe("ERR_RAYGUARD_ANALYTICS_ZONE");
    expect(message).toContain("does not reach zone ffff");
  });

  it("is not sent on by a redirect", async () => {
    const received: (string | undefined)[] = [];
    const elsewhere = new AnalyticsServer();
    await elsewhere.start();
    elsewhere.instead = (_, request, response) => {
      received.push(request.headers.authorization);
      response.end("{}");
      return true;
    };
    for (const status of [301, 302, 303, 307, 308]) {
      server.reset();
      server.instead = (_, __, response) => {
        response.writeHead(status, { Location: elsewhere.url.replace("127.0.0.1", "localhost") }).end();
        return true;
      };
      expect(await refusal(ask(DAY_MS))).toMatchObject({
        code: "ERR_RAYGUARD_ANALYTICS_UNAVAILABLE",
        message: expect.stringContaining("redirect"),
      });
    }
    await elsewhere.stop();
    expect(received).toEqual([]);
  });
});

describe("an API that fails", () => {
  it.each([
    ["with 503", (response) => response.writeHead(503).end("busy")],
    ["with a page instead of JSON", (response) => response.writeHead(200).end("<html>")],
    ["by closing the connection", (response) => response.destroy()],
  ] as [string, (response: ServerResponse) => void][])("once, %s, is asked again", async (_, fail) => {
    server.reset(FREE, week([5]));
    server.instead = (n, __, response) => {
      if (n === 1) fail(response);
      return n === 1 ? true : undefined;
    };
    expect((await ask(7 * DAY_MS)).total).toBe(5);
  });

  it("for good is told with the status and the host", async () => {
    server.instead = (_, __, response) => {
      response.writeHead(503).end();
      return true;
    };
    const { code, message } = await refusal(ask(DAY_MS));
    expect(code).toBe("ERR_RAYGUARD_ANALYTICS_UNAVAILABLE");
    expect(message).toMatch(/^127\.0\.0\.1:\d+ answered 503\./);
  }, 60_000);

  it("by not answering is given up", async () => {
    server.instead = () => true;
    const { code, message } = await refusal(ask(DAY_MS, { timeoutMs: 50 }));
    expect(code).toBe("ERR_RAYGUARD_ANALYTICS_UNAVAILABLE");
    expect(message).toContain("no answer within 0.05 s");
  }, 60_000);

  it("with an error that nothing can be done about is quoted", async () => {
    server.instead = (_, __, response) => {
      response.end(JSON.stringify({ data: null, errors: [{ message: `no idea of ${TOKEN}` }] }));
      return true;
    };
    const { code, message } = await refusal(ask(DAY_MS));
    expect(code).toBe("ERR_RAYGUARD_ANALYTICS_QUERY");
    expect(message).toContain("no idea of [token]");
  });
});

describe("arguments", () => {
  it.each([
    ["a zone that is none", { zone: "shop.example" }, "32 hexadecimal digits"],
    ["an empty token", { token: "" }, "token is empty"],
    ["a token with a line break", { token: "a\nb" }, "no token has"],
    ["an empty range", { until: new Date(0) }, "The time range is empty"],
    ["a status that is none", { statuses: [52] }, "got 52"],
    ["an endpoint in the clear", { endpoint: "http://api.example/graphql" }, "https:"],
  ])("refused: %s", async (_, more, says) => {
    const { code, message } = await refusal(ask(DAY_MS, more));
    expect(code).toBe("ERR_RAYGUARD_INVALID_ARGUMENT");
    expect(message).toContain(says);
    expect(server.queries).toEqual([]);
  });
});
