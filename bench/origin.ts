import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { cpuTimeOf } from "./cpu-time.js";
import type { Framework, Variant } from "./variants.js";

/** A child process that serves one variant. */
export type Origin = {
  port: number;
  /** CPU time used so far, in microseconds: of the server, and of its keeper where it has one. */
  cpu(): Promise<number>;
  ask<Question extends keyof Answers>(question: Question): Promise<Answers[Question]>;
  stop(): Promise<void>;
};

/** What the child tells about itself; `origins/main.js` says what each means. */
export type Answers = {
  cpu: number;
  memory: number;
  timers: number;
  idle: undefined;
  waiting: number;
  startProfile: undefined;
  stopProfile: string;
};

export type OriginOptions = {
  framework: Framework;
  variant: Variant;
  /** Node binary that runs the server. */
  node: string;
  nodeFlags?: string[];
  countTimers?: boolean;
  /** File that takes the server's log. @default the null device */
  log?: string;
};

const MAIN = fileURLToPath(new URL("./origins/main.js", import.meta.url));
const COMMAND = fileURLToPath(new URL("../dist/src/cli/main.js", import.meta.url));
const REGISTER = import.meta.resolve("rayguard/register");
/** What is measured is the least there is of a guard: whatever a keeper adds weighs the most. */
const ZERO_CODE = JSON.stringify({ trust: "loopback", logger: false });

/** Starts an origin server in a process of its own. */
export async function startOrigin(options: OriginOptions): Promise<Origin> {
  const { framework, variant, node, nodeFlags = [], countTimers = false, log = "/dev/null" } = options;
  const stdout = openSync(log, "w");
  const isKept = variant === "kept";
  const isZeroCode = isKept || variant === "registered";
  const args = [framework, isZeroCode ? "bare" : variant, ...(countTimers ? ["--count-timers"] : [])];
  const child = fork(isKept ? COMMAND : MAIN, isKept ? ["run", MAIN, ...args] : args, {
    execPath: node,
    execArgv: variant === "registered" ? [...nodeFlags, "--import", REGISTER] : nodeFlags,
    stdio: ["ignore", stdout, "inherit", "ipc"],
    // Lint is on in development and off here, as on a real origin server.
    env: { ...process.env, NODE_ENV: "production", NODE_OPTIONS: "", RAYGUARD_OPTIONS: ZERO_CODE },
  });
  closeSync(stdout);
  // Under a keeper, messages go through it both ways.
  const { port, pid } = (await nextMessage(child)) as { port: number; pid: number };
  let questions = 0;
  const ask: Origin["ask"] = async (question) => {
    const id = ++questions;
    child.send({ id, question });
    const message = (await nextMessage(child)) as { id: number; answer: never };
    if (message.id !== id) throw new Error(`${variant} answered question ${message.id} instead of ${id}`);
    return message.answer;
  };
  return {
    port,
    // A question would be work for the keeper.
    cpu: async () =>
      isZeroCode ? [...new Set([pid, child.pid as number])].reduce((us, each) => us + cpuTimeOf(each), 0) : ask("cpu"),
    ask,
    async stop() {
      if (child.exitCode !== null) return;
      const gone = once(child, "exit");
      if (isKept) child.kill("SIGTERM");
      else child.disconnect();
      const overdue = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await gone;
      clearTimeout(overdue);
    },
  };
}

async function nextMessage(child: ChildProcess): Promise<unknown> {
  const controller = new AbortController();
  const { signal } = controller;
  try {
    return await Promise.race([
      once(child, "message", { signal }).then(([message]) => message),
      once(child, "exit", { signal }).then(([code]) => Promise.reject(new Error(`the origin server ended: ${code}`))),
    ]);
  } finally {
    controller.abort(); // drops the listener that lost; its rejection is nobody's
  }
}
