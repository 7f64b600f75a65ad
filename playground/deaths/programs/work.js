// What the programs of this folder do: they know nothing of a guard or a keeper, and each death has a route.
import { setTimeout as delay } from "node:timers/promises";

/** Octets that the app keeps in each turn of the event loop, so that the loop goes on turning until the heap is full. */
const LEAK = 8_000_000;

/** @type {unknown[]} */
const kept = [];

/** An answer that takes a while, as one out of a database does: most a moment, some so long that many wait at any time. */
export async function page(id) {
  await delay(Math.random() < 0.2 ? 400 : 30 + Math.random() * 40);
  return `page ${id} of ${process.pid}`;
}

/** Content that comes in pieces, and that takes longer than a guard holds back. */
export async function* pieces(id) {
  yield `piece 1 ${id} of ${process.pid}\n`;
  await delay(60);
  yield `piece 2 ${id} of ${process.pid}\n`;
}

/** Ways for a process to die; none of them answers. */
export const die = {
  "out-of-memory"() {
    kept.push(new Array(LEAK / 8).fill(Math.random()));
    setImmediate(die["out-of-memory"]);
  },
  "segmentation-fault": () => process.kill(process.pid, "SIGSEGV"),
  abort: () => process.abort(),
  // With a pause each time, since others need the processors.
  "endless-loop"() {
    for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  },
};
