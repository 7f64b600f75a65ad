import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

export interface Start {
  /** Files beside the program, by their names. */
  files?: Readonly<Record<string, string>>;
  /** Options of Node's. @default --import rayguard/register */
  flags?: readonly string[];
  env?: NodeJS.ProcessEnv;
}

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
  static start(name: string, text: string, { files = {}, flags = WITH_GUARD, env = {} }: Start = {}): Program {
    // Inside the project, so that it finds the packages of the tests.
    const folder = mkdtempSync(join(import.meta.dirname, ".program-"));
    for (const [path, content] of Object.entries({ ...files, [name]: text })) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
    const child = spawn(process.execPath, [...flags, join(folder, name)], {
      cwd: ROOT,
      env: { ...process.env, NODE_ENV: "production", ...env },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    ends.push(async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
      rmSync(folder, { recursive: true });
    });
    return new Program(child);
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

export const WITH_GUARD = ["--import", "rayguard/register"];
