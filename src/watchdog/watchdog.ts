import type { Worker } from "node:worker_threads";
import { clearInterval, setInterval } from "../clock.js";
import { contained, type Witness } from "../containment.js";
import { RETRY_AFTER_S } from "../fallback/content.js";
import { MESSAGES } from "../report/log.js";
import { type WatchdogHealth, type WatchdogMessage, type WatchdogTask, watchdogThread } from "./watchdog-thread.js";

/** What the watchdog needs of a guard. */
export interface WatchdogOwner extends Witness {
  info(record: object, message: string): void;
  warn(record: object, message: string): void;
  /** The loop was blocked, and is back. @param stack - lines of a stack trace, where it could be read */
  blocked(blockedMs: number, stack: string | null): void;
}

/** A look at the stack holds the main thread up: many short blocks must not become long ones. */
const SAMPLE_EVERY_MS = 10_000;

/** Time between two beats of the loop, in milliseconds; never more than a quarter of the threshold. */
const BEAT_MS = 100;

/**
 * Starts a thread that says so when the event loop is blocked, and answers health paths meanwhile on a port of its own.
 * It has its own sockets only, and keeps no process alive.
 * @param thresholdMs - silence of the loop, in milliseconds, from which it counts as blocked, and its stack is read
 * @param tellAfterMs - length of a block, in milliseconds, from which the thread writes to stderr; `null` for never
 * @param health - what it answers; `null` for nothing
 * @returns stops the thread
 */
export function startWatchdog(
  thresholdMs: number,
  tellAfterMs: number | null,
  health: Omit<WatchdogHealth, "retryAfterS"> | null,
  owner: WatchdogOwner,
): () => void {
  const beatMs = Math.max(5, Math.min(BEAT_MS, Math.floor(thresholdMs / 4)));
  const shared = new SharedArrayBuffer(16);
  const task: WatchdogTask = {
    shared,
    beatMs,
    thresholdMs,
    tellAfterMs,
    health: health && { ...health, retryAfterS: RETRY_AFTER_S },
    sampleEveryMs: SAMPLE_EVERY_MS,
  };
  let worker: Worker;
  try {
    // Loaded here, since most guards have no watchdog.
    const threads = process.getBuiltinModule("node:worker_threads");
    worker = new threads.Worker(SOURCE, {
      eval: true,
      name: "rayguard watchdog",
      workerData: task,
      // What the user preloads (--import, --require, NODE_OPTIONS) is for the app, not for this thread.
      execArgv: [],
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: 64 },
    });
  } catch (err) {
    owner.warn({ err }, MESSAGES.watchdogFailed);
    return () => {};
  }
  const beats = new BigInt64Array(shared);
  const debugged = debuggedCheck();
  // What runs here for as long as the process does must not keep a guard whose servers are all gone.
  const kept = new WeakRef(owner);
  const stop = () => {
    clearInterval(timer);
    void worker.terminate();
  };
  // The thread knows a loop that is back by this name on the stack.
  const timer = setInterval(function rayguardBeat() {
    if (kept.deref() === undefined) return stop();
    Atomics.store(beats, 1, debugged() ? 1n : 0n);
    Atomics.store(beats, 0, process.hrtime.bigint());
  }, beatMs).unref();
  const onMessage = (message: WatchdogMessage) => {
    const owner = kept.deref();
    if (message.type === "block") owner?.blocked(message.blockedMs, message.stack);
    else if (message.type === "listening")
      owner?.info({ host: health?.host, port: message.port }, MESSAGES.watchdogListens);
    else owner?.warn({ host: health?.host, port: health?.port, code: message.code }, MESSAGES.watchdogPort);
  };
  worker.on("message", contained(undefined, onMessage));
  const onError = (err: Error) => {
    clearInterval(timer);
    kept.deref()?.warn({ err }, MESSAGES.watchdogFailed);
  };
  worker.on("error", contained(undefined, onError));
  worker.unref();
  return stop;
}

// Transpilers such as esbuild wrap named functions in a helper of theirs, which the thread would miss.
const SOURCE = `"use strict"; const __name = (named) => named; (${watchdogThread.toString()})();`;

/** Whether a debugger may be attached, asked at each beat: `SIGUSR1` lets one in at any time. */
function debuggedCheck(): () => boolean {
  if (!process.features.inspector) return () => false;
  const { url } = process.getBuiltinModule("node:inspector");
  return () => {
    try {
      return url() !== undefined;
    } catch {
      return false;
    }
  };
}
