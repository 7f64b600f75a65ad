import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Framework, Variant } from "./variants.js";

/** A child process that serves one variant. */
export type Origin = {
  port: number;
  ask<Question extends keyof Answers>(question: Question): Promise<Answers[Question]>;
  stop(): Promise<void>;
};

/** What the child tells about itself; `origins/main.js` says what each means. */
export type Answers = {
  cpu: number;
  memory: number;
  timers: number;
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

/** Starts an origin server in a process of its own. */
export async function startOrigin(options: OriginOptions): Promise<Origin> {
  const { framework, variant, node, nodeFlags = [], countTimers = false, log = "/dev/null" } = options;
  const stdout = openSync(log, "w");
  const child = fork(MAIN, [framework, variant, ...(countTimers ? ["--count-timers"] : [])], {
    execPath: node,
    execArgv: nodeFlags,
    stdio: ["ignore", stdout, "inherit", "ipc"],
    // Lint is on in development and off here, as on a real origin server.
    env: { ...process.env, NODE_ENV: "production", NODE_OPTIONS: "" },
  });
  closeSync(stdout);
  const { port } = (await nextMessage(child)) as { port: number };
  let questions = 0;
  return {
    port,
    async ask(question) {
      const id = ++questions;
      child.send({ id, question });
      const message = (await nextMessage(child)) as { id: number; answer: never };
      if (message.id !== id) throw new Error(`${variant} answered question ${message.id} instead of ${id}`);
      return message.answer;
    },
    async stop() {
      if (child.exitCode !== null) return;
      const gone = once(child, "exit");
      child.disconnect();
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
