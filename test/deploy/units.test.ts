import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EDGE_PROFILES, REQUEST_HEADER_OCTETS } from "../../src/cloudflare/edge.js";
import { HEALTH_DEFAULTS } from "../../src/health/health-options.js";
import { DEFAULTS } from "../../src/options/options.js";
import { findInPath } from "../proxies/proxy.js";
import { DEPLOY } from "./shipped.js";

const UNIT = join(DEPLOY, "systemd/app.service");
const MANIFEST = join(DEPLOY, "kubernetes/app.yaml");
const { graceMs, signals } = DEFAULTS.shutdown;

describe("the systemd unit", () => {
  const value = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(readFileSync(UNIT, "utf8"))?.[1];

  it("gives the guard its grace, with the signal it listens for", () => {
    expect(Number(value("TimeoutStopSec")) * 1_000).toBeGreaterThan(graceMs + DEFAULTS.shutdown.lameDuckMs);
    expect(signals).toContain(value("KillSignal"));
    expect(value("SuccessExitStatus")).toBe(String(128 + 15));
  });

  it("lets Node take what the edge forwards", () => {
    expect(readFileSync(UNIT, "utf8")).toContain(`--max-http-header-size=${REQUEST_HEADER_OCTETS}\n`);
  });

  const analyze = findInPath("systemd-analyze");
  if (analyze === undefined)
    console.warn("test/deploy: no systemd-analyze here; to have the unit verified: apt-get install systemd");
  it.skipIf(analyze === undefined)("passes systemd-analyze verify", () => {
    const ran = spawnSync(analyze as string, ["verify", UNIT], { encoding: "utf8" });
    expect({ status: ran.status, stderr: ran.stderr.replace(/.*is not executable.*\n/g, "") }).toEqual({
      status: 0,
      stderr: "",
    });
  });
});

describe("the Kubernetes manifest", () => {
  const text = readFileSync(MANIFEST, "utf8");
  const number = (name: string, from = 0) => Number(new RegExp(`${name}: (\\d+)`).exec(text.slice(from))?.[1]);

  it("gives the guard its grace, after the lame duck it names", () => {
    const lameDuckMs = Number(/lameDuckMs: ([\d_]+)/.exec(text)?.[1]?.replace("_", ""));
    expect(number("terminationGracePeriodSeconds") * 1_000).toBeGreaterThan(lameDuckMs + graceMs);
    // Not ready any more before the listener closes.
    const ready = text.indexOf("readinessProbe");
    expect(lameDuckMs).toBeGreaterThanOrEqual(
      (number("periodSeconds", ready) * number("failureThreshold", ready) + number("timeoutSeconds", ready)) * 1_000,
    );
  });

  it("asks at the paths that it tells the guard", () => {
    const options = /health: (\{.*?\})/.exec(text)?.[1] ?? "";
    const path = (name: string) => new RegExp(`${name}: "([^"]+)"`).exec(options)?.[1];
    const asked = (probe: string) => /httpGet: \{ path: (\S+), port/.exec(text.slice(text.indexOf(probe)))?.[1];
    expect(asked("startupProbe")).toBe(path("livePath"));
    expect(asked("livenessProbe")).toBe(path("livePath"));
    expect(asked("readinessProbe")).toBe(path("readyPath"));
    expect(path("path")).toBe(HEALTH_DEFAULTS.path);
  });

  it("waits for a health check longer than the check may take", () => {
    for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"]) {
      expect(number("timeoutSeconds", text.indexOf(probe)) * 1_000, probe).toBeGreaterThan(HEALTH_DEFAULTS.timeoutMs);
    }
  });

  it("lets Node take what the edge forwards", () => {
    expect(text).toContain(`--max-http-header-size=${REQUEST_HEADER_OCTETS}\n`);
  });

  const kubectl = findInPath("kubectl");
  if (kubectl === undefined) console.warn("test/deploy: no kubectl here, the manifest is not parsed");
  it.skipIf(kubectl === undefined)("is read by kubectl as a Deployment, a Service and a PodDisruptionBudget", () => {
    const args = ["label", "--local", "--filename", MANIFEST, "checked=yes", "--output", "jsonpath={.kind} "];
    const ran = spawnSync(kubectl as string, args, { encoding: "utf8" });
    expect({ status: ran.status, stderr: ran.stderr }).toEqual({ status: 0, stderr: "" });
    expect(ran.stdout.trim().split(/\s+/)).toEqual(["Deployment", "Service", "PodDisruptionBudget"]);
  });
});

describe("the numbers of the proxies", () => {
  const { readTimeoutMs, idlePoolMs } = EDGE_PROFILES.cloudflare;
  const nginx = readFileSync(join(DEPLOY, "nginx/rayguard.conf"), "utf8");
  const haproxy = readFileSync(join(DEPLOY, "haproxy/haproxy.cfg"), "utf8");
  const apache = ["edge.inc", "app.inc"].map((file) => readFileSync(join(DEPLOY, "apache", file), "utf8")).join("");

  it.each([
    ["nginx", nginx, /proxy_read_timeout (\d+)s/],
    ["HAProxy", haproxy, /listen rayguard_app[\s\S]*timeout server (\d+)s/],
    ["Apache", apache, /127\.0\.0\.1:3000.* timeout=(\d+) /],
  ])("%s waits for longer than the guard and shorter than the edge", (_, text, pattern) => {
    const waitMs = Number(pattern.exec(text)?.[1]) * 1_000;
    expect(waitMs).toBeGreaterThan(DEFAULTS.firstByteDeadlineMs);
    expect(waitMs).toBeLessThan(readTimeoutMs);
  });

  it.each([
    ["nginx", nginx, /keepalive_timeout (\d+)s; +# the edge/],
    ["HAProxy", haproxy, /timeout http-keep-alive (\d+)s/],
    ["Apache", apache, /KeepAliveTimeout (\d+)/],
  ])("%s keeps the edge's connections for longer than the edge", (_, text, pattern) => {
    expect(Number(pattern.exec(text)?.[1]) * 1_000).toBeGreaterThan(idlePoolMs);
  });

  it.each([
    ["nginx", nginx, /keepalive_timeout (\d+)s; +# below/],
    ["Apache", apache, / ttl=(\d+) /],
  ])("%s lets go of a connection to the app before the guard does", (_, text, pattern) => {
    expect(Number(pattern.exec(text)?.[1]) * 1_000).toBeLessThan(DEFAULTS.keepAliveTimeoutMs);
  });
});
