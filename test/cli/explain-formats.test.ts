import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import zlib from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { entriesOf } from "../../src/cli/logs/parse-line.js";
import { rayguard } from "./command.js";

const RAY = "230b030023ae2822";
const AT = Date.UTC(2026, 10, 25, 10);
const ISO = new Date(AT).toISOString();
const directory = mkdtempSync(join(tmpdir(), "rayguard-explain-formats-"));
afterAll(() => rmSync(directory, { recursive: true }));

let files = 0;
function file(octets: string | Uint8Array): string {
  const name = join(directory, `${files++}.log`);
  writeFileSync(name, octets);
  return name;
}

const OWN = `{"level":50,"time":${AT},"ray":"${RAY}","colo":"SJC","clientIp":"203.0.113.7","verified":true,"method":"GET","url":"/orders","status":500,"octets":9,"ms":3,"outcome":"replaced","incident":"MC-2","msg":"request"}`;
const OTHER = OWN.replace(RAY, "aaaaaaaaaaaaaaaa");
const NGINX = `203.0.113.7 - - [25/Nov/2026:10:00:00 +0000] "GET /orders HTTP/1.1" 502 157 "-" "curl" ${RAY}-SJC`;

function dockerParts(text: string): string {
  const part = (log: string) => JSON.stringify({ log, stream: "stdout", time: ISO });
  return `${part(text.slice(0, 16_384))}\n${part(`${text.slice(16_384)}\n`)}`;
}

describe("a line of rayguard inside another one", () => {
  it.each<[string, string]>([
    ["PM2", JSON.stringify({ message: `${OWN}\n`, timestamp: ISO, type: "out", process_id: 0, app_name: "shop" })],
    [
      "journalctl -o json",
      JSON.stringify({ _PID: "71", _HOSTNAME: "h1", __REALTIME_TIMESTAMP: `${AT}000`, MESSAGE: OWN }),
    ],
    ["journalctl, as octets", JSON.stringify({ _PID: "71", MESSAGE: [...Buffer.from(OWN)] })],
    ["Docker's json-file", JSON.stringify({ log: `${OWN}\n`, stream: "stdout", time: ISO })],
    ["Kubernetes (CRI)", `${ISO} stdout F ${OWN}`],
    [
      "Fluent Bit",
      JSON.stringify({ "@timestamp": ISO, log: OWN, kubernetes: { pod_name: "shop-1", labels: { app: "shop" } } }),
    ],
    ["Elasticsearch", JSON.stringify({ _index: "logs", _source: { event: { original: OWN } } })],
    ["Datadog", JSON.stringify({ id: "x", content: { timestamp: ISO, attributes: JSON.parse(OWN) } })],
    ["a terminal", `\x1b[32m${OWN.replaceAll(/"([a-z]+)":/gi, '"\x1b[36m$1\x1b[0m":')}\x1b[0m`],
    ["Google Cloud", JSON.stringify({ insertId: "x", jsonPayload: JSON.parse(OWN), timestamp: ISO })],
    [
      "a wrapper in a wrapper",
      JSON.stringify({ line: JSON.stringify({ log: `${OWN}\n`, stream: "stdout", time: ISO }) }),
    ],
    ["syslog, with braces of its own", `<14>1 ${ISO} h1 shop 71 - [a@1 b="{c}"] \ufeff${OWN}`],
    ["winston, with members behind it", `${ISO} error: ${OWN} {"service":"shop"}`],
    ["logfmt", `time=${ISO} level=error msg="${OWN.replaceAll('"', '\\"')}"`],
    ["a list of many, as CloudWatch has it", JSON.stringify({ logEvents: [{ message: OTHER }, { message: OWN }] })],
    [
      "Loki",
      JSON.stringify({
        data: {
          result: [
            {
              stream: {},
              values: [
                [`${AT}`, OTHER],
                [`${AT}`, OWN],
              ],
            },
          ],
        },
      }),
    ],
    [
      "OpenTelemetry",
      JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: OWN } }] }] }] }),
    ],
    [
      "search results",
      JSON.stringify({ hits: { hits: [{ _source: JSON.parse(OTHER) }, { _source: JSON.parse(OWN) }] } }),
    ],
    ["a list", JSON.stringify([{ jsonPayload: JSON.parse(OTHER) }, { jsonPayload: JSON.parse(OWN) }])],
    ["jq", `${JSON.stringify(JSON.parse(OTHER), null, 2)}\n${JSON.stringify(JSON.parse(OWN), null, 2)}`],
    ["journalctl -o json-pretty", JSON.stringify({ _PID: "71", MESSAGE: OWN }, null, "\t")],
    ["aws logs, over several lines", JSON.stringify({ events: [{ message: OTHER }, { message: OWN }] }, null, 4)],
    [
      "gcloud, over several lines",
      JSON.stringify([{ jsonPayload: JSON.parse(OTHER) }, { jsonPayload: JSON.parse(OWN) }], null, 2),
    ],
    [
      "parts that Kubernetes cut",
      `${ISO} stdout P ${OWN.slice(0, 70)}\n${ISO} stderr F {}\n${ISO} stdout F ${OWN.slice(70)}`,
    ],
    ["parts that Docker cut", dockerParts(OWN.replace('"/orders"', `"/orders","a":"${"x".repeat(20_000)}"`))],
    ["lines behind an object that has no end", `{\n  level: 30,\n${OTHER}\n${OWN}`],
    ["a file that was truncated while it was written", `${"\0".repeat(1_500_000)}${OWN}`],
  ])("is read: %s", async (_what, line) => {
    const { code, out } = await rayguard(["explain", RAY, file(`${line}\n`), "--json"]);
    const { found, arrivals } = JSON.parse(out);
    expect({ code, found }).toEqual({ code: 1, found: true });
    expect(arrivals[0].request).toMatchObject({ outcome: "replaced", incident: "MC-2", url: "/orders" });
  });

  it("has the process and the host of its wrapper", () => {
    const line = JSON.stringify({ _PID: "71", _HOSTNAME: "h1", MESSAGE: OWN });
    expect(entriesOf(line)[0]).toMatchObject({ kind: "request", pid: 71, host: "h1", at: AT });
  });

  it("is read where the wrapped line is that of a reverse proxy", () => {
    const line = JSON.stringify({ MESSAGE: NGINX, _PID: "9" });
    expect(entriesOf(line)[0]).toMatchObject({ kind: "access", format: "combined", status: 502, ray: RAY });
  });

  it("is not looked for without end", () => {
    let line = OWN;
    for (let n = 0; n < 8; n++) line = JSON.stringify({ log: line });
    expect(entriesOf(line)[0]?.kind).not.toBe("request");
  });
});

describe("a line of what stands in front of the app", () => {
  const REFUSED = "Unable to reach the origin service: dial tcp 127.0.0.1:3000: connect: connection refused";

  it.each<[string, string]>([
    [
      "JSON",
      JSON.stringify({
        level: "error",
        error: REFUSED,
        cfRay: `${RAY}-SJC`,
        originService: "http://localhost:3000",
        time: ISO,
      }),
    ],
    [
      "text",
      `${ISO.slice(0, 19)}Z ERR  error="${REFUSED}" cfRay=${RAY}-SJC event=1 originService=http://localhost:3000`,
    ],
  ])("of cloudflared (%s) that was refused says that it never reached the app", async (_form, line) => {
    const name = file(`${line}\n`);
    const { code, out } = await rayguard(["explain", RAY, name]);
    expect(code).toBe(1);
    expect(out).toContain("never reached the app");
    expect(out).not.toMatch(/It reached the app/);
    const told = JSON.parse((await rayguard(["explain", RAY, name, "--json"])).out);
    expect(told).toMatchObject({ found: true, verdict: { shown: "502", failed: true } });
    expect(told.proxyErrors[0]).toMatchObject({ at: AT, message: REFUSED });
  });

  it("of cloudflared with another error leaves open whether it reached the app", async () => {
    const line = JSON.stringify({
      level: "error",
      error: "unexpected EOF",
      cfRay: `${RAY}-SJC`,
      originService: "http://a",
      time: ISO,
    });
    const { out } = await rayguard(["explain", RAY, file(`${line}\n`)]);
    expect(out).not.toMatch(/It (?:never )?reached the app/);
    expect(out).toContain("no line tells");
  });

  it.each<[string, object]>([
    [
      "cloudflared",
      { level: "debug", cfRay: `${RAY}-SJC`, originService: "http://a", message: "GET / HTTP/1.1", time: ISO },
    ],
    [
      "Caddy",
      {
        level: "debug",
        ts: AT / 1_000,
        logger: "http.handlers.reverse_proxy",
        msg: "selected upstream",
        request: { method: "GET", uri: "/", headers: { "Cf-Ray": [`${RAY}-SJC`] } },
      },
    ],
  ])("that speaks of no failure is not taken for the app's: %s", async (_what, line) => {
    const { out } = await rayguard(["explain", RAY, file(JSON.stringify(line))]);
    expect(out).not.toContain("reached the app");
    expect(out).toContain("it may have arrived all the same");
  });

  it("of Caddy's access log is read", () => {
    // As Caddy 2 writes it.
    const line = `{"level":"info","ts":${AT / 1_000},"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"127.0.0.1","remote_port":"39604","client_ip":"127.0.0.1","proto":"HTTP/1.1","method":"GET","host":"a","uri":"/orders?a=1","headers":{"User-Agent":["curl"],"Cf-Ray":["${RAY}-SJC"]}},"bytes_read":0,"user_id":"","duration":0.0123,"size":12,"status":502,"resp_headers":{"Server":["Caddy"]}}`;
    expect(entriesOf(line)[0]).toMatchObject({
      kind: "access",
      at: AT,
      ray: RAY,
      colo: "SJC",
      client: "127.0.0.1",
      request: "GET /orders?a=1 HTTP/1.1",
      status: 502,
      octets: 12,
      ms: 12,
    });
  });

  it("of cloudflared is read in the log of its container", async () => {
    const line = `${ISO} ERR  error="dial tcp 127.0.0.1:8080: connect: connection refused" cfRay=${RAY}-SJC event=1`;
    const { out } = await rayguard(["explain", RAY, file(JSON.stringify({ log: `${line}\n`, stream: "stderr" }))]);
    expect(out).toContain("It never reached the app");
  });

  it("of Envoy's access log is read, and is not taken for the app's", async () => {
    const told = { start_time: ISO, method: "GET", path: "/orders", response_code: 503, response_flags: "UF" };
    const line = JSON.stringify({ ...told, duration: 12, bytes_sent: 95, cf_ray: `${RAY}-SJC` });
    expect(entriesOf(line)[0]).toMatchObject({ kind: "access", at: AT, request: "GET /orders", status: 503, ms: 12 });
    const { out } = await rayguard(["explain", RAY, file(line)]);
    expect(out).not.toContain("reached the app:");
  });

  it("of Caddy's error log is read", async () => {
    const line = `{"level":"error","ts":${AT / 1_000},"logger":"http.log.error.log0","msg":"dial tcp 127.0.0.1:3000: connect: connection refused","request":{"remote_ip":"127.0.0.1","client_ip":"127.0.0.1","proto":"HTTP/1.1","method":"GET","host":"a","uri":"/orders","headers":{"Cf-Ray":["${RAY}-SJC"]}},"duration":0.001,"status":502,"err_id":"x"}`;
    expect(entriesOf(line)[0]).toMatchObject({ kind: "proxy error", ray: RAY, request: "GET /orders HTTP/1.1" });
    expect((await rayguard(["explain", RAY, file(`${line}\n`)])).out).toContain("never reached the app");
  });

  it("of Traefik's access log is read", () => {
    const line = `{"ClientAddr":"10.0.0.1:4711","ClientHost":"10.0.0.1","DownstreamContentSize":11,"DownstreamStatus":502,"Duration":12345678,"OriginDuration":12000000,"OriginStatus":502,"RequestMethod":"GET","RequestPath":"/orders","RequestProtocol":"HTTP/1.1","level":"info","msg":"","request_Cf-Ray":"${RAY}-SJC","time":"${ISO}"}`;
    expect(entriesOf(line)[0]).toMatchObject({
      kind: "access",
      at: AT,
      ray: RAY,
      client: "10.0.0.1",
      request: "GET /orders HTTP/1.1",
      status: 502,
      octets: 11,
      ms: 12,
      upstreamStatus: 502,
    });
  });
});

describe("a file that is no plain text", () => {
  const compress = (program: string) => execFileSync(program, ["-c"], { input: `${OWN}\n` });
  const has = (program: string) => {
    try {
      return compress(program).length > 0;
    } catch {
      return false;
    }
  };

  it.each([
    ["xz", "\xfd7zXZ\x00"],
    ["bzip2", "BZh9"],
    ["zip", "PK\x03\x04"],
    ["lz4", "\x04\x22\x4d\x18"],
  ])("is named, with 2, where Node cannot read it: %s", async (form, magic) => {
    const name = file(Buffer.concat([Buffer.from(magic, "latin1"), Buffer.alloc(64, 7)]));
    const { code, out, err } = await rayguard(["explain", RAY, file(`${OWN}\n`), name]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(name);
    expect(err).toContain(form);
  });

  it.skipIf(!has("xz"))("is named where it was made by xz itself", async () => {
    const { code, err } = await rayguard(["explain", RAY, file(compress("xz"))]);
    expect(code).toBe(2);
    expect(err).toContain("xz");
  });

  it("is read, or named, where it was made by zstd", async () => {
    const compressed = (zlib as { zstdCompressSync?(text: string): Buffer }).zstdCompressSync?.(`${OWN}\n`);
    const octets = compressed ?? Buffer.concat([Buffer.from("28b52ffd", "hex"), Buffer.alloc(64, 7)]);
    const { code, err, out } = await rayguard(["explain", RAY, file(octets), "--json"]);
    if (compressed === undefined) expect({ code, isNamed: err.includes("zstd") }).toEqual({ code: 2, isNamed: true });
    else expect(JSON.parse(out)).toMatchObject({ found: true });
  });

  it("is read where it was made by Brotli, and its name says so", async () => {
    const name = `${file("")}.br`;
    writeFileSync(name, zlib.brotliCompressSync(`${OWN}\n`));
    expect(JSON.parse((await rayguard(["explain", RAY, name, "--json"])).out)).toMatchObject({ found: true });
    writeFileSync(name, zlib.brotliCompressSync("x".repeat(100_000)).subarray(0, 9));
    expect((await rayguard(["explain", RAY, name])).out).toContain("not every file could");
  });

  it.each([
    ["little", Buffer.from(`\ufeff${OWN}\r\n`, "utf16le")],
    ["big", Buffer.from(`\ufeff${OWN}\r\n`, "utf16le").swap16()],
    ["unmarked, little", Buffer.from(`${OWN}\r\n`, "utf16le")],
    ["unmarked, big", Buffer.from(`${OWN}\r\n`, "utf16le").swap16()],
  ])("is read in UTF-16, %s-endian", async (_order, octets) => {
    const { out } = await rayguard(["explain", RAY, file(octets), "--json"]);
    expect(JSON.parse(out)).toMatchObject({ found: true, arrivals: [{ request: { incident: "MC-2" } }] });
  });
});

describe("a Ray ID that no line names", () => {
  it("has arrived for all that is known where a file could not be read to its end", async () => {
    const cut = zlib.gzipSync(`${"x".repeat(100_000)}\n${OWN}\n`).subarray(0, 60);
    const { out } = await rayguard(["explain", RAY, file("{}\n"), file(cut)]);
    expect(out).not.toContain("never arrived");
    expect(out).toContain("not every file could");
  });

  it.each<[string, string | Uint8Array]>([
    ["a line that was cut", OWN.slice(0, 150)],
    ["what pino-pretty writes", `[10:00:00.000] ERROR (71): request\n    ray: "${RAY}"\n    status: 500\n`],
    ["JSON without words", JSON.stringify({ code: 503, id: `${RAY}-SJC` })],
    ["a part of a line, as Kubernetes cuts it", `${ISO} stdout P ${OWN.slice(0, 150)}\n`],
    ["an access log of an unknown form", `GET /orders 503 12 ms ${RAY}-SJC`],
    ["a form that nobody knows", zlib.brotliCompressSync(OWN)],
  ])("may have arrived where it stands in %s", async (_what, octets) => {
    const { out } = await rayguard(["explain", RAY, file("{}\n"), file(octets)]);
    expect(out).not.toMatch(/never arrived|reached the app/);
    expect(out).toContain("it may have arrived all the same");
  });

  it.each<[string, string, string]>([
    ["a line is cut", `${OTHER}\n${OWN.slice(0, 30)}`, "some lines are cut"],
    [
      "a line is too long to be read",
      `${OTHER}\n{"a":"${"x".repeat(1_100_000)} ${RAY}"}`,
      "some lines are cut, or too long",
    ],
    ["there is nothing in the files", "\n\n", "Nothing was read"],
  ])("may have arrived where %s", async (_what, octets, told) => {
    const { code, out } = await rayguard(["explain", RAY, file(octets)]);
    expect(code).toBe(1);
    expect(out).not.toContain("never arrived");
    expect(out).toContain(told);
  });

  it("never arrived, as far as the files tell, where each was read", async () => {
    expect((await rayguard(["explain", RAY, file("{}\n")])).out).toContain("never arrived");
  });
});

describe("what is in two files", () => {
  const incident = `{"level":50,"time":${AT - 1},"ray":"${RAY}","colo":"SJC","method":"GET","url":"/orders","status":500,"code":"MC-2","action":"replaced","prevented":520,"reason":"closed","msg":"incident"}`;

  it.each<[string, string, string]>([
    ["a log that was rotated before the line of its request", incident, OWN],
    [
      "a log, and what was collected from it",
      `${incident}\n${OWN}`,
      JSON.stringify({ log: `${OWN}\n`, stream: "stdout" }),
    ],
  ])("has arrived once: %s", async (_what, first, second) => {
    const { out } = await rayguard(["explain", RAY, file(first), file(second), "--json"]);
    const { arrivals, verdict } = JSON.parse(out);
    expect(arrivals).toMatchObject([{ request: { outcome: "replaced" }, incidents: [{ code: "MC-2" }] }]);
    expect(verdict.shown).toBe("none");
  });
});
