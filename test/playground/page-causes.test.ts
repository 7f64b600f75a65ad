import type { Page } from "playwright-core";
import { exchange } from "rayguard/testing";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { GROUPS } from "../../playground/causes/groups.js";
import { ALL_CAUSES, type Cause } from "../../playground/causes/index.js";
import { FORGED_ADDRESS } from "../../playground/causes/process.js";
import { DirectWay } from "../../playground/client/direct-way.js";
import { type Seen, worst } from "../../playground/client/seen.js";
import { provoke } from "../../playground/probes.js";
import { CHROMIUM, runCause, Visit } from "./browser.js";

const FRAMEWORKS = ["fastify", "express", "node"] as const;
const SIDES = ["bare", "guarded"] as const;
const COMPLETE = /^\d{3} complete$/;
const READ_TIMEOUT_MS = 2_500;
/** A connection closed while it is used again: timing decides it on the bare side. */
const RACES = ["idle"];

interface Said {
  readonly cause: Cause;
  readonly side: (typeof SIDES)[number];
  readonly label: string;
  readonly text: string;
  readonly port: number;
  readonly firstLine: string | null;
}

describe.skipIf(CHROMIUM === undefined)("every cause, run in a browser", () => {
  let visit: Visit;
  let said: Map<string, Said[]>;

  beforeAll(async () => {
    visit = await Visit.start();
    const tabs = await Promise.all(FRAMEWORKS.map((framework) => runAll(visit, framework)));
    said = new Map(FRAMEWORKS.map((framework, i) => [framework, tabs[i] as Said[]]));
  }, 240_000);

  afterAll(async () => {
    await visit?.stop();
  }, 60_000);

  it("comes up in less than ten seconds", () => {
    expect(visit.program.upAfterMs).toBeLessThan(10_000);
  });

  it.each(FRAMEWORKS)("shows on the left the failure it claims (%s)", (framework) => {
    const complete = ofSide(said, framework, "bare").filter(({ label }) => COMPLETE.test(label));
    expect(complete.map(({ cause }) => cause.name).filter((name) => !RACES.includes(name))).toEqual([]);
  });

  it.each(FRAMEWORKS)("shows on the right a complete response to every cause of a 520 (%s)", (framework) => {
    for (const { cause, label } of ofSide(said, framework, "guarded")) {
      if (cause.mayBreak !== true) expect(label, cause.name).toMatch(COMPLETE);
    }
  });

  it.each(FRAMEWORKS)("shows apart what is beyond repair, and no 520 (%s)", (framework) => {
    const late = [...ofSide(said, framework, "bare"), ...ofSide(said, framework, "guarded")].filter(
      ({ cause }) => cause.mayBreak,
    );
    expect(late.map(({ cause, side, label }) => [cause.name, side, label])).toEqual([
      ["stream-late", "bare", "200 cut"],
      ["stream-late", "guarded", "200 cut"],
    ]);
  });

  it.concurrent.each(FRAMEWORKS)(
    "says what a raw client sees on the wire (%s)",
    { timeout: 240_000 },
    async (framework) => {
      for (const one of said.get(framework) ?? []) {
        const { cause, side, label, port } = one;
        const name = `${cause.name}, ${side}`;
        await answering(port);
        if (cause.probe === "deploy" || RACES.includes(cause.name)) continue; // needs the process, or luck
        const seen = await provokeRaw(cause, port);
        if (label.endsWith("deceived")) expect(await claimedAddress(port), name).toBe(FORGED_ADDRESS);
        else if (label.includes("!")) expect([label.split("!")[1]], name).toContain(seen.rule);
        else expect(labelOf(seen), name).toBe(label);
      }
    },
  );

  it.each(FRAMEWORKS)(
    "shows the first line that a raw client receives (%s)",
    { timeout: 240_000 },
    async (framework) => {
      for (const { cause, side, port, firstLine } of said.get(framework) ?? []) {
        if (cause.probe !== undefined || cause.waits) continue;
        await answering(port);
        const { octets } = await exchange({ port }, { path: `/${cause.name}`, headers: { Accept: "text/html" } });
        const received = octets.length === 0 ? null : octets.toString("latin1").split("\n")[0]?.replace("\r", "");
        expect(firstLine?.replace(/(?:\\r)?\\n$/, "") ?? null, `${cause.name}, ${side}`).toBe(
          received === null ? null : escaped(received ?? ""),
        );
      }
    },
  );

  it("says of a process that died which one took its place", () => {
    const crash = ofSide(said, "node", "bare").find(({ cause }) => cause.name === "crash");
    expect(crash?.text).toMatch(/Process \d+ ended \(exit code 1\)\. Process \d+ took its place after \d+ ms\./);
  });
});

/** Keeps what the page says of each run, however fast the next one replaces it. */
const KEEP_EACH = `{
  const read = (side) => {
    const verdict = document.querySelector(".verdict." + side);
    const row = document.querySelector(".pair .side." + side + " .connection > .octets > .row code");
    const { verdict: label } = verdict.dataset;
    return { side, label, text: verdict.textContent, firstLine: row?.textContent.split("\\n")[0] ?? null };
  };
  window.said = [];
  const result = document.getElementById("result");
  new MutationObserver(() => {
    for (const side of ["bare", "guarded"]) window.said.push({ name: result.dataset.cause, ...read(side) });
  }).observe(result, { attributeFilter: ["data-run"] });
}`;

/** Runs every cause with one framework, and reads what the page says of both sides. */
async function runAll(visit: Visit, framework: string): Promise<Said[]> {
  const tab = await visit.open();
  await tab.waitForSelector("#result[data-run]", { timeout: 30_000 });
  if (framework !== "fastify") {
    await tab.check(`input[name="framework"][value="${framework}"]`, { force: true });
    await tab.waitForSelector(`#result[data-framework="${framework}"]`, { timeout: 30_000 });
  }
  await tab.evaluate(KEEP_EACH);
  await tab.click("#run-all");
  await tab.waitForSelector("#run-all:enabled", { timeout: 120_000 });
  if (await tab.isVisible("#error")) throw new Error(`${framework}: ${await tab.textContent("#error")}`);
  for (const { name, mayBreak } of ALL_CAUSES) if (mayBreak) await runCause(tab, name);
  // Three frameworks at a time are a load on a small machine, which a retried test would not run again.
  for (const { cause } of (await readAll(tab)).filter(isDoubtful)) await runCause(tab, cause.name);
  const said = await readAll(tab);
  await tab.context().close();
  return said;
}

/** What the page said last of each cause and side. */
async function readAll(tab: Page): Promise<Said[]> {
  const said = await tab.evaluate<(Omit<Said, "cause" | "port"> & { name: string })[]>("window.said");
  const last = new Map(said.map((one) => [`${one.name} ${one.side}`, one]));
  return [...last.values()].map(({ name, ...one }) => ({
    ...one,
    cause: ALL_CAUSES.find((cause) => cause.name === name) as Cause,
    port: Number(/127\.0\.0\.1:(\d+)/.exec(one.text)?.[1]),
  }));
}

function isDoubtful({ cause, side, label }: Said): boolean {
  return cause.mayBreak !== true && (side === "guarded") !== COMPLETE.test(label);
}

function ofSide(said: Map<string, Said[]>, framework: string, side: Said["side"]): Said[] {
  const all = (said.get(framework) ?? []).filter((one) => one.side === side);
  expect(all.map(({ cause }) => cause.name)).toEqual(GROUPS.flatMap(({ names }) => names));
  return all;
}

async function provokeRaw(cause: Cause, port: number): Promise<Seen> {
  const destination = { name: "", port, signal: () => {} };
  const sightings = await provoke(cause, new DirectWay(READ_TIMEOUT_MS), destination);
  return worst(sightings.map(({ seen }) => seen));
}

function labelOf({ kind, status }: Seen): string {
  return kind === "complete" || kind === "cut" ? `${status} ${kind}` : String(status);
}

async function claimedAddress(port: number): Promise<unknown> {
  const headers = { "CF-Connecting-IP": FORGED_ADDRESS };
  const { responses } = await exchange({ port }, { path: "/spoofed", headers });
  return (JSON.parse(responses[0]?.text() ?? "") as { clientIp: unknown }).clientIp;
}

/** Resolves when the origin server, or the one in its place, answers. */
async function answering(port: number): Promise<void> {
  const look = async () => {
    const { responses } = await exchange({ port }, { path: "/" }, { timeoutMs: 1_000 });
    expect(responses[0]?.status).toBe(200);
  };
  // expect.poll() does not know which of several concurrent tests it belongs to.
  await vi.waitFor(look, { timeout: 20_000, interval: 30 });
}

/** As the page shows octets that are no printable ASCII. */
function escaped(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\xff]/g, (octet) => `\\x${octet.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
