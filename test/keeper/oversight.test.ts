import { afterEach, expect, it } from "vitest";
import type { KeeperOptions } from "../../src/keeper/options.js";
import { oversee } from "../../src/keeper/oversight.js";
import type { WorkerProcess } from "../../src/keeper/worker-process.js";

let end = () => {};
afterEach(() => end());

const OPTIONS = { blockedMs: 500, readyMs: 30_000, maxMemory: 0 } as KeeperOptions;

/** Looks after a process whose event loop stands still from now on. @returns why it is to be replaced */
function overseeSilent(): string[] {
  const now = performance.now();
  const worker = { startedAt: now, readyAt: now, seenAt: now, rss: 0, ping() {} } as unknown as WorkerProcess;
  const stuck: string[] = [];
  end = oversee(OPTIONS, { workers: [worker], stuck: (_, why) => stuck.push(why), tooLarge() {}, waited() {} });
  return stuck;
}

/** The processor is away for so long, and then a turn of the loop follows. */
async function away(ms: number): Promise<void> {
  for (const until = performance.now() + ms; performance.now() < until; );
  await new Promise((resolve) => setTimeout(resolve, 1));
}

it("a keeper that is late itself, again and again, still finds a process that stands still", async () => {
  const stuck = overseeSilent();
  for (let n = 0; n < 12 && stuck.length === 0; n++) await away(600);
  expect(stuck).toEqual(["its event loop was blocked for 500 ms"]);
});

it("a keeper that had no time itself takes nobody for late", async () => {
  const stuck = overseeSilent();
  await away(2_000);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(stuck).toEqual([]);
});
