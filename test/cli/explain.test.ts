import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { entriesOf } from "../../src/cli/logs/parse-line.js";
import { rayguard } from "./command.js";

const RAY = "230b030023ae2822";
const AT = Date.UTC(2026, 10, 25, 10);
const directory = mkdtempSync(join(tmpdir(), "rayguard-explain-logs-"));
afterAll(() => rmSync(directory, { recursive: true }));

let files = 0;
function log(...lines: (string | object)[]): string {
  const file = join(directory, `${files++}.log`);
  writeFileSync(file, `${lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n")}\n`);
  return file;
}

const request = (more: object = {}) => ({
  level: 30,
  time: AT,
  ray: RAY,
  colo: "SJC",
  clientIp: "203.0.113.7",
  verified: false,
  method: "GET",
  url: "/orders",
  status: 200,
  octets: 12,
  ms: 30,
  outcome: "intact",
  msg: "request",
  ...more,
});

const incident = (more: object = {}) => ({
  level: 50,
  time: AT - 1,
  code: "MC-2",
  action: "replaced",
  prevented: 520,
  ray: RAY,
  colo: "SJC",
  clientIp: "203.0.113.7",
  verified: false,
  method: "GET",
  url: "/orders",
  status: 500,
  reason: "The app closed the connection.",
  msg: "incident",
  ...more,
});

async function json(...args: string[]) {
  const { out, err, code } = await rayguard(["explain", ...args, "--json"]);
  expect(err).toBe("");
  return { code, told: JSON.parse(out) };
}

describe("a Ray ID", () => {
  const file = log(request());

  it.each([RAY, `${RAY}-SJC`, `${RAY.toUpperCase()}-sjc`, ` ${RAY} `])("is taken as %j", async (ray) => {
    expect(await json(ray, file)).toMatchObject({ code: 0, told: { ray: RAY, colo: "SJC", found: true } });
  });

  it.each(["", "230b", `${RAY}0`, `${RAY}-SJCA`, "zzzzzzzzzzzzzzzz"])("is refused as %j", async (ray) => {
    const { code, out, err } = await rayguard(["explain", ray, file]);
    expect(err).toContain("A Ray ID is 16 hexadecimal digits");
    expect({ code, out }).toEqual({ code: 2, out: "" });
  });
});

describe("where the log comes from", () => {
  const text = `${JSON.stringify(request())}\n`;

  it.each([[["-"]], [[]]])("is standard input for the files %j", async (names) => {
    const { code, out } = await rayguard(["explain", RAY, ...names], {}, text);
    expect(out).toContain("GET /orders arrived at 2026-11-25 09:59:59.970 UTC from 203.0.113.7.");
    expect(code).toBe(0);
  });

  it("may be compressed, whatever its name", async () => {
    const file = join(directory, "compressed.log");
    writeFileSync(file, gzipSync(text));
    expect(await json(RAY, file)).toMatchObject({ code: 0, told: { files: [{ lines: 1, skipped: 0 }] } });
    const { out } = await rayguard(["explain", RAY, "-", "--json"], {}, "");
    expect(JSON.parse(out).found).toBe(false);
  });

  it("counts up to where a compressed file was cut", async () => {
    const whole = gzipSync(text.repeat(5_000));
    const file = join(directory, "cut.log.gz");
    writeFileSync(file, whole.subarray(0, whole.length - 20));
    const { told } = await json(RAY, file);
    expect(told.found).toBe(true);
    expect(told.files[0].damaged).toContain("unexpected end of file");
  });

  it.each([
    ["is missing", join(directory, "none.log"), "there is no such file"],
    ["is a directory", directory, "is a directory"],
  ])("ends with 2 where it %s, whatever the other files have", async (_, file, says) => {
    const { code, out, err } = await rayguard(["explain", RAY, log(request()), file]);
    expect(err).toContain(says);
    expect({ code, out }).toEqual({ code: 2, out: "" });
  });
});

describe("a request that no line names", () => {
  it("is told with what that leaves, and the times that the files cover", async () => {
    const other = "230b030023ae9999";
    const file = log(
      request({ time: AT, ray: other }),
      request({ time: AT + 3_600_000, ray: other }),
      "Error: no form",
    );
    const { code, out } = await rayguard(["explain", RAY, file]);
    expect(out).toContain("the request never arrived at the origin server");
    for (const status of ["521", "522", "523", "525", "526"]) expect(out).toContain(status);
    expect(out).toMatch(/WAF|cache/);
    expect(out).toContain(
      `${file}: 3 lines, 2026-11-25 10:00:00.000 UTC to 2026-11-25 11:00:00.000 UTC, 1 in no known form`,
    );
    expect(code).toBe(1);
  });
});

describe("lines in other wrappings", () => {
  const line = JSON.stringify(request());
  const nested = JSON.stringify({ level: 30, time: AT, payload: request({ time: undefined }) });
  it.each([
    ["Docker's json-file", JSON.stringify({ log: `${line}\n`, stream: "stdout", time: "2026-11-25T10:00:00Z" })],
    ["Kubernetes", `2026-11-25T10:00:00.000000000Z stdout F ${line}`],
    ["Compose", `web-1  | ${line}`],
    ["journald", `Nov 25 10:00:00 host shop[4711]: ${line}`],
    ["pino's nestedKey", nested],
    ["Windows line ends", `${line}\r`],
    ["another name of the message", JSON.stringify({ ...request(), msg: undefined, message: "request" })],
  ])("are read: %s", async (_, wrapped) => {
    const { told, code } = await json(RAY, log(wrapped));
    expect(told.arrivals).toMatchObject([{ request: { ray: RAY, at: AT, outcome: "intact", url: "/orders" } }]);
    expect(code).toBe(0);
  });
});

describe("lines that quote the Ray", () => {
  it.each([
    ["in a URL of another request", { ...request({ ray: "230b030023ae9999" }), url: `/support?ray=${RAY}` }],
    [
      "in a URL that the app logs",
      { level: 30, time: AT, req: { url: `/support?ray=${RAY}` }, msg: "incoming request" },
    ],
    ["in no known form", `something about ${RAY}-SJC`],
  ])("%s are shown, and are no arrival", async (_, quote) => {
    const file = log(quote);
    const { told, code } = await json(RAY, file);
    expect(told).toMatchObject({ found: false, lines: [{ kind: "quote", line: 1 }] });
    expect(code).toBe(1);
    const { out } = await rayguard(["explain", RAY, file]);
    expect(out).toContain(typeof quote === "string" ? "it may have arrived" : "never arrived at the origin server");
    expect(out).toMatch(/quoted: .*230b030023ae2822/);
  });

  it("in what the app says are lines of the app", async () => {
    const { told } = await json(RAY, log({ level: 30, time: AT, msg: `payment for cf-ray ${RAY} refused` }));
    expect(told).toMatchObject({ found: true, app: [{ level: "info" }] });
  });
});

describe("a line of pino-http with the fields of the request", () => {
  it("is read as an access log", async () => {
    const req = {
      id: 7,
      method: "GET",
      url: "/orders",
      headers: { "cf-ray": `${RAY}-SJC` },
      remoteAddress: "127.0.0.1",
    };
    const line = { level: 30, time: AT, req, res: { statusCode: 503 }, responseTime: 12, msg: "request completed" };
    expect(await json(RAY, log(line))).toMatchObject({
      code: 1,
      told: { access: [{ request: "GET /orders", status: 503, ms: 12 }], verdict: { shown: "none", failed: true } },
    });
  });
});

describe("lines made to be slow to read", () => {
  const million = 1_000_000;
  it.each([
    ["one word", "a".repeat(million)],
    ["addresses without an end", "a:1".repeat(million / 3)],
    ["pairs without a value", "a=".repeat(million / 2)],
    ["quotes without an end", `1.2.3.4 - - [25/Nov/2026:10:00:00 +0000] "${'\\"'.repeat(million / 3)}`],
    ["brackets", "[".repeat(million)],
    ["braces", "{".repeat(million)],
    ["nothing but spaces", " ".repeat(million)],
    ["times of HAProxy", "a:1 [25/Nov/2026:10:00:00.000] ".repeat(million / 31)],
  ])("are read at once: %s", (_, line) => {
    // Of the processor: others may have it meanwhile.
    const start = process.cpuUsage();
    entriesOf(line);
    expect(process.cpuUsage(start).user / 1_000).toBeLessThan(500);
  });
});

describe("broken lines", () => {
  it("are skipped and counted", async () => {
    const file = log(`{"level":30,"ray":"${RAY}","ti`, request(), "\x00\x01\x02", `${RAY}`, "x".repeat(2_000_000));
    expect((await json(RAY, file)).told.files).toMatchObject([{ lines: 5, skipped: 4 }]);
  });

  it("of foreign logs never reach the terminal raw", async () => {
    const evil = "\x1b]0;owned\x07\x9b31m\u202etxt\r";
    const file = log(
      request({ url: `/${evil}`, status: 500, outcome: "replaced" }),
      incident({ reason: evil, err: { type: evil, message: evil, stack: `x\n    at ${evil}` }, code: `MC-2${evil}` }),
      `1.2.3.4 - - [25/Nov/2026:10:00:00 +0000] "GET /${evil}" 502 0 "-" "${evil}" ${RAY}`,
      { level: 30, time: AT, ray: RAY, msg: evil },
    );
    for (const args of [[], ["--json"]]) {
      const { out, err } = await rayguard(["explain", RAY, file, ...args], {
        FORCE_COLOR: args.length === 0 ? "1" : "0",
      });
      expect(err).toBe("");
      expect(out).toContain(args.length === 0 ? "\\x1b]0;owned\\x07\\x9b31m\\u202etxt" : "\\u001b]0;owned");
      // What is left are the colours of the command itself.
      expect(out.replace(/\x1b\[\d+m/g, "")).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]/);
      expect(out).not.toContain("\x1b]");
    }
  });
});

describe("the error of Cloudflare that fits", () => {
  const combined = (status: number, rest = "") =>
    `1.2.3.4 - - [25/Nov/2026:10:00:00 +0000] "GET /orders HTTP/1.1" ${status} 0 "-" "curl" ${RAY}-SJC ${rest}`;
  it.each([
    [
      "a response torn down in mid-content",
      [incident({ action: "torn down" }), request({ outcome: "torn down" })],
      "truncated",
      1,
    ],
    ["a connection broken before a response", [request({ outcome: "torn down", status: 0 })], "520", 1],
    ["a client that left", [request({ outcome: "client gone", status: 0 })], "none", 0],
    ["an edge that gave up", [request({ outcome: "client gone", status: 0, ms: 125_010 })], "524", 1],
    [
      "a request whose process died",
      [incident({ code: "KILLED", action: "reported", prevented: null, status: 520 })],
      "520",
      1,
    ],
    [
      "a response whose process died",
      [incident({ code: "KILLED", action: "reported", prevented: null, status: 206 })],
      "truncated",
      1,
    ],
    ["an app that answers 502 itself", [request({ status: 502 })], "502", 1],
    ["an app's own 500", [request({ status: 500 })], "none", 1],
    ["an app's own 404", [request({ status: 404 })], "none", 0],
    ["nginx that closes without a word", [combined(444)], "520", 1],
    ["nginx whose client left", [combined(499, "rt=0.2")], "none", 0],
    ["nginx whose client, the edge, gave up", [combined(499, "rt=125.001")], "524", 1],
    [
      "nginx that got nothing from a request torn down",
      [combined(502, "us=502"), request({ outcome: "torn down", status: 0 })],
      "502",
      1,
    ],
    ["an incident whose request line is missing", [incident({ action: "torn down", prevented: 524 })], "524", 1],
    ["a line of the app and nothing else", [{ level: 30, time: AT, ray: RAY, msg: "hello" }], "unknown", 1],
  ] as const)("to %s", async (_, lines, shown, exit) => {
    const { told, code } = await json(RAY, log(...lines));
    expect({ shown: told.verdict.shown, code }).toEqual({ shown, code: exit });
  });

  it("to a process that died is not taken for one that was only reported", async () => {
    const killed = incident({ code: "KILLED", action: "reported", prevented: null, status: 520 });
    expect((await rayguard(["explain", RAY, log(killed)])).out).toContain("Incident KILLED, found afterwards, at");
    const reported = incident({ action: "reported", prevented: 520 });
    expect((await rayguard(["explain", RAY, log(reported)])).out).toContain("reported only, nothing was changed");
  });

  it("to a response that goes out after the edge has given up is told beside it", async () => {
    const { told } = await json(RAY, log(request({ ms: 130_000 })));
    expect(told.verdict.why).toContain("524");
  });
});

describe("what the log tells of the client", () => {
  const told = async (more: object) => (await rayguard(["explain", RAY, log(request(more))])).out;

  it("is an address that is verified, claimed by somebody, or of a peer that came directly", async () => {
    expect(await told({ verified: true })).toContain("from 203.0.113.7 (verified)");
    expect(await told({ claimedIp: "198.51.100.9", direct: true })).toContain(
      "the address 198.51.100.9 was claimed by somebody who did not come through Cloudflare",
    );
    expect(await told({ direct: true })).toContain("from 203.0.113.7, which did not come through Cloudflare");
  });
});

describe("a Ray that arrived twice", () => {
  it("is told as two arrivals, each with its own incidents", async () => {
    const first = log(
      incident(),
      request({ status: 500, outcome: "replaced" }),
      incident({ code: "LATE_ERROR", action: "ignored", prevented: null, time: AT + 9 }),
    );
    const second = log(request({ time: AT + 50 }));
    const { told, code } = await json(RAY, first, second);
    const codes = told.arrivals.map(({ incidents }: { incidents: { code: string }[] }) =>
      incidents.map((each) => each.code),
    );
    expect(codes).toEqual([["MC-2", "LATE_ERROR"], []]);
    expect(code).toBe(1);
    const { out } = await rayguard(["explain", RAY, first, second]);
    expect(out).toContain("It reached the origin server 2 times");
  });
});

describe("a block of the event loop", () => {
  const blocked = (time: number, more: object = {}) =>
    incident({ code: "BLOCKED", action: "reported", prevented: null, ray: null, time, blockedMs: 400, ...more });

  it("is told with the request that it held up, and with no other", async () => {
    const slow = request({ ms: 500, pid: 1, hostname: "a" });
    const during = log(slow, blocked(AT - 50, { pid: 1, hostname: "a" }));
    const long = log(slow, blocked(AT - 60_000, { pid: 1, hostname: "a" }));
    const elsewhere = log(slow, blocked(AT - 50, { pid: 2, hostname: "a" }));
    expect((await json(RAY, during)).told.blocks).toMatchObject([{ code: "BLOCKED", blockedMs: 400 }]);
    expect((await json(RAY, long)).told.blocks).toEqual([]);
    expect((await json(RAY, elsewhere)).told.blocks).toEqual([]);
    expect((await rayguard(["explain", RAY, during])).out).toContain("Incident BLOCKED, found afterwards, at");
  });
});

describe("a request id", () => {
  it("that another process uses as well brings in only lines of the same process and time", async () => {
    const line = (more: object) => ({
      level: 30,
      time: AT - 10,
      pid: 1,
      hostname: "a",
      reqId: "req-1",
      msg: "own",
      ...more,
    });
    const file = log(
      line({}),
      line({ pid: 2, msg: "of another process" }),
      line({ time: AT - 86_400_000, msg: "of an earlier run" }),
      line({ reqId: "req-11", msg: "of another request" }),
      request({ pid: 1, hostname: "a", reqId: "req-1" }),
      line({ time: AT + 5, msg: "own, afterwards" }),
    );
    const { told } = await json(RAY, file);
    expect(told.app.map(({ message }: { message: string }) => message)).toEqual(["own", "own, afterwards"]);
  });
});
