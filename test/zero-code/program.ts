import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { MESSAGES } from "../../src/report/log.js";

const ROOT = join(import.meta.dirname, "../..");

export interface Start {
  /** Files beside the program, by their names. */
  files?: Readonly<Record<string, string>>;
  /** Options of Node's. @default --import rayguard/register */
  flags?: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** Flags of `rayguard run`, which the program is then started with. */
  keeper?: readonly string[];
  /** Folders of the project that stand beside the program as well, by their names there. */
  copies?: Readonly<Record<string, string>>;
  /** Arguments of the program. */
  args?: readonly string[];
}

const COMMAND = join(ROOT, "dist/src/cli/main.js");

const ends: (() => Promise<void>)[] = [];

/** To be called behind each test. */
export async function endPrograms(): Promise<void> {
  for (const end of ends.splice(0)) await end();
}

/** A program that knows nothing of a guard, in a process of its own: it tells its ports with `process.send()`. */
export class Program {
  readonly #child: ChildProcess;
  readonly #ports: number[] = [];
  stdout = "";
  stderr = "";

  /** @param name - of its file; the end says what kind of module it is */
  static start(name: string, text: string, start: Start = {}): Program {
    const {
      files = {},
      copies = {},
      keeper,
      flags = keeper === undefined ? WITH_GUARD : [],
      env = {},
      args = [],
    } = start;
    // Inside the project, so that it finds the packages of the tests.
    const folder = mkdtempSync(join(import.meta.dirname, ".program-"));
    for (const [path, content] of Object.entries({ ...files, [name]: text })) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
    for (const [name, from] of Object.entries(copies))
      cpSync(join(ROOT, from), join(folder, name), { recursive: true });
    const run = keeper === undefined ? [] : [COMMAND, "run", ...keeper];
    const child = spawn(process.execPath, [...flags, ...run, join(folder, name), ...args], {
      cwd: ROOT,
      env: { ...process.env, NODE_ENV: "production", ...env },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    ends.push(async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
      for (const pid of program.workers()) killIfThere(pid);
      rmSync(folder, { recursive: true });
    });
    const program = new Program(child);
    return program;
  }

  /** Processes that a keeper has started for it, and that have not ended, as far as its log says. */
  workers(): number[] {
    const ended = new Set(this.lines(MESSAGES.workerEnded).map(({ pid }) => pid));
    const started = this.lines(MESSAGES.workerStarted).map(({ pid }) => pid as number);
    return started.filter((pid) => !ended.has(pid));
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    child.on("message", (port: number) => this.#ports.push(port));
  }

  /** The ports that it has told so far, once there are `count` of them. */
  async ports(count = 1): Promise<number[]> {
    while (this.#ports.length < count) {
      const [port] = await Promise.race([once(this.#child, "message"), once(this.#child, "exit").then(() => [])]);
      if (port === undefined) throw new Error(`it has ended:\n${this.stderr}`);
    }
    return this.#ports;
  }

  /** Lines of its log with this message. */
  lines(msg: string): Record<string, unknown>[] {
    const lines = this.stdout.split("\n").filter((line) => line.startsWith("{"));
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter((line) => line.msg === msg);
  }

  /** The first of them, which is there, or will be in a moment. */
  async worker(): Promise<number> {
    for (;;) {
      const [pid] = this.workers();
      // A signal to 0 is one to this process, and to all of its group.
      if (pid !== undefined) return pid;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Its exit code, or the signal it has ended of. */
  async end(): Promise<number | NodeJS.Signals | null> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return exitCode ?? signalCode;
    const [code, signal] = (await once(this.#child, "exit")) as [number | null, NodeJS.Signals | null];
    return code ?? signal;
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended
  }
}

export const WITH_GUARD = ["--import", "rayguard/register"];
