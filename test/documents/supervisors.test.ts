import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { lastingPort } from "../../playground/process/lasting-port.js";
import { HEALTH_DEFAULTS } from "../../src/health/health-options.js";
import { DEFAULTS, type GuardOptions } from "../../src/options/options.js";
import { findInPath } from "../proxies/proxy.js";
import { snippetsIn } from "./documents.js";
import { ask, blocks, COMMAND, programFolder, recipe, skipped, start } from "./recipe-programs.js";

const folder = programFolder();

const PROGRAM = `import { createServer } from "node:http";
createServer((request, response) => {
  if (request.url === "/fail") request.socket.destroy();
  else if (request.url === "/kill") process.kill(process.pid, "SIGKILL");
  else response.end(request.url === "/parent" ? String(process.ppid) : "hello " + process.pid);
}).listen(3000, "127.0.0.1");
`;

type Started = Awaited<ReturnType<typeof start>>;

/** Starts a command of the package, as a supervisor would; the page's program is `server.mjs`. */
function supervised(words: readonly string[], env: NodeJS.ProcessEnv = {}, before: readonly string[] = []) {
  expect(words[0]).toMatch(/(?:^|\/)node_modules\/\.bin\/rayguard$/);
  expect(words.at(-1)).toBe("server.mjs");
  const commandLine = [...before, process.execPath, COMMAND, ...words.slice(1, -1), "{program}"];
  return start(folder.path, commandLine, { program: PROGRAM, env });
}

async function expectAnswered(started: Pick<Started, "port" | "log">, path: string, status: number, code: string) {
  const home = () => ask(started.port, "/");
  await expect.poll(home, { timeout: 20_000 }).toMatchObject({ status: 200 });
  expect(await ask(started.port, path)).toMatchObject({ status });
  await expect.poll(started.log).toContain(`"code":"${code}"`);
  await expect.poll(home, { timeout: 20_000 }).toMatchObject({ status: 200 });
}

/** A process of its own can be the first one of a namespace only with the rights for it. */
const canUnshare = process.platform === "linux" && spawnSync("unshare", ["-pf", "--mount-proc", "true"]).status === 0;

describe("the command of the Dockerfile", { timeout: 60_000 }, () => {
  const { text, path, status, code } = recipe("Docker");

  it.skipIf(!canUnshare)("works as the first process, and answers for one that is killed", async () => {
    const words = JSON.parse(/^CMD (.*)$/m.exec(text)?.[1] ?? "[]") as string[];
    const started = await supervised(words, {}, ["unshare", "-pf", "--kill-child", "--mount-proc"]);
    try {
      await expect.poll(() => ask(started.port, "/parent"), { timeout: 20_000 }).toEqual({ status: 200, text: "1" });
      await expectAnswered(started, path, status, code);
    } finally {
      await started.end();
    }
  });
});

describe("the page of the keeper", () => {
  const of = (language: string) =>
    snippetsIn(language).find(({ document }) => document === "docs/guides/keeper.md")?.text ?? "";

  it("starts it in a container as the recipe does", () => {
    const words = (text: string) => JSON.parse(/^CMD (.*)$/m.exec(text)?.[1] ?? "[]") as string[];
    expect(words(of("dockerfile")).slice(0, -1)).toEqual(words(recipe("Docker").text).slice(0, -1));
  });

  it("has a unit whose lines are those of the recipe, in another folder", () => {
    const [unit = ""] = blocks(recipe("systemd"), "ini");
    const different = of("ini")
      .replaceAll("/srv/app/server.js", "server.mjs")
      .replaceAll("/srv/app", "/srv/shop")
      .split("\n")
      .filter((line) => !unit.split("\n").includes(line));
    expect(different).toEqual([]);
  });
});

describe("the unit of systemd", { timeout: 60_000 }, () => {
  const { path, status, code } = recipe("systemd");
  const [unit = ""] = blocks(recipe("systemd"), "ini");
  const value = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(unit)?.[1] ?? "";

  it("gives the guard its grace", () => {
    const { lameDuckMs, graceMs } = DEFAULTS.shutdown;
    expect(Number(value("TimeoutStopSec")) * 1_000).toBeGreaterThan(lameDuckMs + graceMs);
  });

  const analyze = findInPath("systemd-analyze");
  const why = analyze === undefined ? " (skipped: there is no systemd-analyze)" : "";
  it.skipIf(why !== "")(`passes systemd-analyze verify${why}`, () => {
    const file = join(folder.path, "shop.service");
    // It looks whether the program is there.
    writeFileSync(file, unit.replace(/^(ExecStart=)\S+/m, `$1${process.execPath}`));
    const ran = spawnSync(analyze as string, ["verify", file], { encoding: "utf8" });
    expect([ran.status, ran.stderr]).toEqual([0, ""]);
  });

  it.skipIf(process.platform === "win32")(
    "starts, reloads and stops a program that answers also when killed",
    async () => {
      const env = Object.fromEntries(
        value("Environment")
          .split(" ")
          .map((each) => /^([^=]+)=(.*)$/.exec(each)?.slice(1) ?? []),
      );
      const started = await supervised(value("ExecStart").split(" "), env);
      try {
        await expectAnswered(started, path, status, code);
        const before = await ask(started.port, "/");
        expect(value("ExecReload")).toBe("/bin/kill -HUP $MAINPID");
        started.child.kill("SIGHUP");
        await expect.poll(() => ask(started.port, "/"), { timeout: 20_000 }).not.toEqual(before);
        expect(await ask(started.port, "/")).toMatchObject({ status: 200 });
        const ended = once(started.child, "exit", {
          signal: AbortSignal.timeout(Number(value("TimeoutStopSec")) * 1_000),
        });
        started.child.kill("SIGTERM");
        expect(await ended).toEqual([Number(value("SuccessExitStatus")), null]);
      } finally {
        await started.end();
      }
    },
  );
});

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly failureThreshold: number;
}

interface Manifest {
  readonly kind: string;
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly containers: readonly {
          readonly command: readonly string[];
          readonly ports: readonly { readonly name: string }[];
          readonly env: readonly { readonly name: string; readonly value: string }[];
          readonly startupProbe: Probe;
          readonly readinessProbe: Probe;
          readonly livenessProbe: Probe;
          readonly resources: { readonly limits: { readonly memory: string } };
        }[];
      };
    };
  };
}

describe("the manifest of Kubernetes", { timeout: 60_000 }, () => {
  const { path, status, code } = recipe("Kubernetes");
  const [text = ""] = blocks(recipe("Kubernetes"), "yaml");
  const [deployment, service] = parseAllDocuments(text).map((each) => {
    expect(each.errors).toEqual([]);
    return each.toJS() as Manifest;
  });
  const pod = deployment?.spec.template.spec as Manifest["spec"]["template"]["spec"];
  const container = pod.containers[0] as (typeof pod.containers)[number];
  const { startupProbe, readinessProbe, livenessProbe } = container;
  const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]));
  const options = JSON.parse(env.RAYGUARD_OPTIONS ?? "{}") as GuardOptions;
  const { lameDuckMs = 0, graceMs = DEFAULTS.shutdown.graceMs } = options.shutdown || {};

  it("is a Deployment and a Service that goes to its port", () => {
    expect([deployment?.kind, service?.kind]).toEqual(["Deployment", "Service"]);
    const names = container.ports.map(({ name }) => name);
    for (const { httpGet } of [startupProbe, readinessProbe, livenessProbe]) expect(names).toContain(httpGet.port);
    expect(service).toMatchObject({ spec: { selector: { app: "shop" }, ports: [{ targetPort: names[0] }] } });
    expect(pod).toMatchObject({ terminationGracePeriodSeconds: expect.any(Number) });
    expect(deployment).toMatchObject({ spec: { selector: { matchLabels: { app: "shop" } } } });
    expect(deployment).toMatchObject({ spec: { template: { metadata: { labels: { app: "shop" } } } } });
  });

  it("gives the guard its grace, after a lame duck that the readiness probe notices", () => {
    expect(pod.terminationGracePeriodSeconds * 1_000).toBeGreaterThan(lameDuckMs + graceMs);
    const { periodSeconds, failureThreshold, timeoutSeconds } = readinessProbe;
    expect(lameDuckMs).toBeGreaterThanOrEqual((periodSeconds * failureThreshold + timeoutSeconds) * 1_000);
  });

  it("waits for a health check longer than the check may take", () => {
    for (const { timeoutSeconds } of [startupProbe, readinessProbe, livenessProbe])
      expect(timeoutSeconds * 1_000).toBeGreaterThan(HEALTH_DEFAULTS.timeoutMs);
  });

  it("has a process replaced before the limit of memory", () => {
    const allowed = /--max-memory (\d+)M/.exec(container.command.join(" "))?.[1];
    expect(Number(allowed)).toBeLessThan(0.9 * Number.parseInt(container.resources.limits.memory, 10));
  });

  const kubectl = findInPath("kubectl");
  const why = kubectl === undefined ? " (skipped: there is no kubectl)" : "";
  it.skipIf(why !== "")(`is read by kubectl${why}`, () => {
    const file = join(folder.path, "shop.yaml");
    writeFileSync(file, text);
    const args = ["label", "--local", "--filename", file, "checked=yes", "--output", "jsonpath={.kind} "];
    const ran = spawnSync(kubectl as string, args, { encoding: "utf8" });
    expect([ran.status, ran.stderr, ran.stdout.trim().split(/\s+/)]).toEqual([0, "", ["Deployment", "Service"]]);
  });

  it("starts a program that is ready, answers also when killed, and goes without losing a request", async () => {
    // Long enough to look at each path.
    const shutdown = { ...(options.shutdown || {}), lameDuckMs: 1_500 };
    const started = await supervised(container.command, { RAYGUARD_OPTIONS: JSON.stringify({ ...options, shutdown }) });
    const probe = async ({ httpGet }: Probe) => (await ask(started.port, httpGet.path))?.status;
    try {
      await expect.poll(() => probe(startupProbe), { timeout: 20_000 }).toBe(200);
      expect(await probe(readinessProbe)).toBe(200);
      await expectAnswered(started, path, status, code);
      const ended = once(started.child, "exit", { signal: AbortSignal.timeout(30_000) });
      started.child.kill("SIGTERM");
      await expect.poll(() => probe(readinessProbe), { interval: 10 }).toBe(503);
      expect(await probe(livenessProbe)).toBe(200);
      expect(await ask(started.port, "/")).toMatchObject({ status: 200 });
      expect(await ended).toEqual([143, null]);
    } finally {
      await started.end();
    }
  });
});

describe("the file of PM2", { timeout: 90_000 }, () => {
  const { path, status, code } = recipe("PM2");
  const [text = ""] = blocks(recipe("PM2"), "js");
  const why = skipped(' from "pm2"');

  it("kills later than the guard has drained", () => {
    const { lameDuckMs, graceMs } = DEFAULTS.shutdown;
    const killMs = /kill_timeout: ([\d_]+)/.exec(text)?.[1]?.replace("_", "");
    expect(Number(killMs)).toBeGreaterThan(lameDuckMs + graceMs);
  });

  it.skipIf(why !== "")(`starts a program whose fault is answered for, and stops it${why}`, async () => {
    const home = mkdtempSync(join(folder.path, "pm2-"));
    const port = await lastingPort();
    writeFileSync(join(home, "server.mjs"), PROGRAM.replace("3000", String(port)));
    writeFileSync(join(home, "ecosystem.config.cjs"), text);
    const pm2 = (...args: string[]) => {
      const bin = join(folder.path, "node_modules/pm2/bin/pm2");
      const env = { ...process.env, PM2_HOME: home, NODE_ENV: "production" };
      spawnSync(process.execPath, [bin, "--silent", ...args], { cwd: home, env, stdio: "ignore" });
    };
    try {
      pm2("start", "ecosystem.config.cjs");
      const log = () => readFileSync(join(home, "logs/shop-out.log"), "utf8");
      await expectAnswered({ port, log }, path, status, code);
      pm2("stop", "shop");
      expect(await ask(port, "/")).toBeUndefined();
    } finally {
      pm2("kill");
    }
  });
});
