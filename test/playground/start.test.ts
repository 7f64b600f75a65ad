import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { CAUSES } from "../../playground/causes/index.js";
import { DEATHS } from "../../playground/deaths/deaths.js";
import { findWorkerd } from "../../playground/edge/edge.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FRAMEWORKS = ["Express", "Fastify"];

/** Started as leaders of a process group, so that a process left behind can be found and ended. */
const started: ChildProcess[] = [];

/** In the environment of whatever these tests start, so that a process in another group can be found as well. */
const MARK = `RAYGUARD_START_TEST=${randomUUID()}`;

afterEach(() => {
  for (const { pid } of started.splice(0)) if (groupLives(pid)) process.kill(-(pid as number), "SIGKILL");
  for (const pid of marked()) process.kill(pid, "SIGKILL");
});

describe.skipIf(process.platform === "win32")("npm start", { timeout: 180_000 }, () => {
  it.runIf(findWorkerd())("shows complete responses behind workerd for every guarded origin server", async () => {
    const { code, text, pid } = await run("--once");
    expect(text).toContain("Start the edge (workerd)");
    expectTable(text);
    expectDeaths(text);
    expect(code).toBe(0);
    await expect.poll(() => groupLives(pid), { timeout: 5_000 }).toBe(false);
  });

  it("shows the same with the strict client alone", async () => {
    const { code, text, pid } = await run("--once", "--no-workerd", "--no-deaths");
    expect(text).toContain("No edge (--no-workerd)");
    expect(text).toContain("When the process itself dies: not shown (--no-deaths).");
    expectTable(text);
    expect(code).toBe(0);
    await expect.poll(() => groupLives(pid), { timeout: 5_000 }).toBe(false);
  });

  it("stays until it is interrupted, then leaves nothing", async () => {
    const child = start("--no-deaths");
    const text = await outputUntil(child, /curl -i (\S+)\/throw/);
    const [, url] = /curl -i (\S+)\/throw/.exec(text) as RegExpExecArray;
    const response = await fetch(`${url}/throw`);
    expect(response.status).toBe(500);
    child.kill("SIGINT");
    expect(await once(child, "exit")).toEqual([0, null]);
    await expect.poll(() => groupLives(child.pid), { timeout: 5_000 }).toBe(false);
  });

  it("leaves nothing when it is killed", async () => {
    const child = start();
    await outputUntil(child, /bare-express/);
    child.kill("SIGKILL");
    await once(child, "exit");
    await expect.poll(() => groupLives(child.pid), { timeout: 10_000 }).toBe(false);
  });

  it("leaves nothing when it is killed while processes die", async () => {
    const child = start("--no-page");
    await outputUntil(child, /Let processes die/);
    if (process.platform === "linux") await expect.poll(() => marked().length).toBeGreaterThan(8);
    // Long enough for programs to be there, and for some to be on their way.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    child.kill("SIGKILL");
    await once(child, "exit");
    await expect.poll(() => groupLives(child.pid) || marked().length > 0, { timeout: 30_000 }).toBe(false);
  });

  it("explains itself", async () => {
    const { code, text } = await run("--help");
    expect(code).toBe(0);
    for (const option of ["--once", "--port", "--no-deaths", "--no-workerd"]) expect(text).toContain(option);
  });

  it.each([["--port=http"], ["--port=70000"], ["--twice"]])("refuses %s", async (option) => {
    expect((await run(option)).code).toBe(2);
  });
});

/** Every cause has its row for both frameworks; the bare origin server fails where the guarded one does not. */
function expectTable(text: string): void {
  for (const framework of FRAMEWORKS) {
    const rows = rowsOf(text, framework);
    expect(rows.map(({ title }) => title)).toEqual(CAUSES.map(({ title }) => title));
    for (const { title, guarded, incident } of rows) {
      const { mayBreak } = CAUSES.find((cause) => cause.title === title) ?? {};
      expect(guarded, title).toMatch(mayBreak ? /^200 cut$/ : /^\d{3} complete$/);
      expect(incident, title).toMatch(/^(?:[A-Z_]+|[A-Z]{2}-\d+)(?:, |$)|^-$/);
    }
    const intactBare = rows.filter(({ bare }) => /complete$/.test(bare)).map(({ title }) => title);
    // The race for an idle connection is the one cause that a busy machine can keep from happening.
    expect(intactBare.filter((title) => !title.startsWith("idle"))).toEqual([]);
  }
}

/** Every death has its row for both frameworks: it costs answers with a plain supervisor, and not with the keeper. */
function expectDeaths(text: string): void {
  for (const framework of FRAMEWORKS) {
    const lines = text.split("\n");
    const head = lines.findIndex((line) => line.startsWith(`${framework}: the process`));
    const rows = lines.slice(head + 2, lines.indexOf("", head)).map((line) => line.split(/ {2,}/));
    expect(rows.map(([title]) => title)).toEqual(DEATHS.map(({ title }) => title));
    for (const [title, bare, , wait, promise] of rows) {
      expect(bare, title).toMatch(/\d+ × 52[014]/);
      expect(wait, title).toMatch(/^\d+\.\d s$/);
      expect(promise, title).toBe("held");
    }
    expect(text).toContain(
      `${framework}: ${DEATHS.length} of ${DEATHS.length} deaths cost answers bare; kept, ${DEATHS.length} keep the promise.`,
    );
  }
}

function rowsOf(text: string, framework: string) {
  const lines = text.split("\n");
  const head = lines.findIndex((line) => line.startsWith(`${framework}: cause`));
  const end = lines.indexOf("", head);
  return lines.slice(head + 2, end).map((line) => {
    const [title = "", bare = "", guarded = "", incident = ""] = line.split(/ {2,}/);
    return { title, bare, guarded, incident };
  });
}

function start(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, ["--import", "tsx", "playground/start.ts", ...args], {
    cwd: ROOT,
    detached: true,
    env: { ...process.env, [MARK.split("=")[0] as string]: MARK.split("=")[1] },
    stdio: ["ignore", "pipe", "inherit"],
  });
  started.push(child);
  return child;
}

async function run(...args: string[]): Promise<{ code: number | null; text: string; pid: number | undefined }> {
  const child = start(...args);
  const [text, [code]] = await Promise.all([outputUntil(child), once(child, "exit")]);
  return { code, text, pid: child.pid };
}

/** What the process writes, to its end or until it matches. */
async function outputUntil({ stdout }: ChildProcess, pattern?: RegExp): Promise<string> {
  let text = "";
  for await (const octets of stdout?.iterator({ destroyOnReturn: false }) ?? []) {
    text += octets;
    if (pattern?.test(text)) break;
  }
  stdout?.resume();
  return text;
}

/** Processes that these tests have started, as Linux tells. */
function marked(): number[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && environmentOf(pid).includes(MARK));
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1");
  } catch {
    return ""; // it has ended, or is somebody else's
  }
}

function groupLives(pid: number | undefined): boolean {
  try {
    return process.kill(-(pid as number), 0);
  } catch {
    return false;
  }
}
