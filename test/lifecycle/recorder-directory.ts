import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, vi } from "vitest";
import { createGuard, type Guard, type GuardOptions } from "../../src/index.js";
import { ownIdentity, type ProcessIdentity } from "../../src/recorder/process-identity.js";
import { encodeEmpty } from "../../src/recorder/recorder-file.js";
import { encodeSlot, type Recorded, SLOT_OCTETS } from "../../src/recorder/slots.js";

export const own = ownIdentity();

/** The number of this process, in an earlier run of the kernel: whoever had it is gone. */
export const gone: ProcessIdentity = { ...own, boot: "an earlier one" };

export const recorded: Recorded = {
  ray: "230b030023ae2822",
  colo: "SJC",
  method: "GET",
  url: "/orders",
  startedAt: 1_795_374_000_000,
  status: 0,
};

/** A directory for each test, and the base name of the files in it. */
export let directory: string;
export let path: string;
const guards: Guard[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rayguard-recorder-"));
  path = join(directory, "flight");
});

afterEach(() => {
  vi.useRealTimers();
  for (const guard of guards.splice(0)) guard.close();
  rmSync(directory, { recursive: true, force: true });
});

interface Line extends Record<string, unknown> {
  readonly level: string;
  readonly msg: string;
}

/** A guard with a recorder until the end of the test, and the lines it writes. */
export function start(options: GuardOptions = {}, slots = 4) {
  const lines: Line[] = [];
  const note = (level: string) => (record: object, msg: string) => void lines.push({ ...record, level, msg });
  const logger = { info() {}, warn: note("warn"), error: note("error") };
  const guard = createGuard({ logger, recorder: { path, slots }, ...options });
  guards.push(guard);
  return { guard, lines };
}

/** Starts a guard and waits until it has looked for the dead: its timer is the older one. */
export async function search(options?: GuardOptions): Promise<Line[]> {
  const { guard, lines } = start(options);
  await delay(5);
  guard.close();
  return lines;
}

/** A file that some process has left. */
export function leave(name: string, owner: ProcessIdentity, requests: readonly Recorded[], slots = 4): Buffer {
  const file = encodeEmpty(owner, slots);
  for (const [i, each] of requests.entries()) encodeSlot(file.subarray((i + 1) * SLOT_OCTETS), each);
  writeFileSync(join(directory, name), file);
  return file;
}

export const left = () => readdirSync(directory).sort();
