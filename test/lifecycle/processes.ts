import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { afterEach } from "vitest";
import type { GuardOptions } from "../../src/index.js";
import { program } from "../helpers/program.js";
import type { OriginName } from "./origin.js";

export const ORIGINS: readonly OriginName[] = ["node", "express5", "express4", "fastify"];

/** An origin server in a process of its own. */
export interface OriginProcess {
  readonly child: ChildProcess;
  readonly port: number;
  /** Messages so far. */
  readonly messages: unknown[];
  /** What it has printed on standard error. */
  stderr(): string;
  /** Resolves when the process is gone. */
  readonly gone: Promise<{ code: number | null; signal: NodeJS.Signals | null; ms: number }>;
  /** Resolves when `count` messages like this one have come. */
  told(message: unknown, count?: number): Promise<void>;
}

const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
});

export async function startOrigin(
  name: OriginName,
  isGuarded = true,
  options: GuardOptions = {},
  script = "origin.ts",
  env: Record<string, string> = {},
  /** Where it is kept until it is gone: tests that run side by side each have a set of their own to end. */
  running = children,
): Promise<OriginProcess> {
  const args = [name, isGuarded ? "guarded" : "bare", JSON.stringify(options)];
  const child = fork(await program(new URL(script, import.meta.url)), args, {
    // A worker of vitest has flags of its own.
    execArgv: [],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    env: { ...process.env, NODE_ENV: "test", ...env },
  });
  running.add(child);
  const startedAt = performance.now();
  let stderr = "";
  child.stderr?.on("data", (octets) => {
    stderr += octets;
  });
  const gone = once(child, "close").then(([code, signal]) => {
    running.delete(child);
    return { code, signal, ms: performance.now() - startedAt };
  });
  const messages: unknown[] = [];
  let wake = () => {};
  const port = new Promise<number>((resolve, reject) => {
    child.on("message", (message: { port?: number }) => {
      if (typeof message.port === "number") resolve(message.port);
      else messages.push(message);
      wake();
    });
    void gone.then(() => reject(new Error(`the origin server did not start: ${stderr}`)));
  });
  return {
    child,
    port: await port,
    messages,
    stderr: () => stderr,
    gone,
    told: async (message, count = 1) => {
      while (messages.filter((one) => one === message).length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
