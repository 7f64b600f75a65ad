import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** `npm start` as a user runs it, up to the address of its page. */
export class Program {
  readonly #child: ChildProcess;
  readonly url: string;
  /** From the start to the address of the page, in milliseconds. */
  readonly upAfterMs: number;

  private constructor(child: ChildProcess, url: string, upAfterMs: number) {
    this.#child = child;
    this.url = url;
    this.upAfterMs = upAfterMs;
  }

  static async start(...options: string[]): Promise<Program> {
    const started = performance.now();
    const args = ["--import", "tsx", "playground/start.ts", "--no-open", "--no-deaths", ...options];
    // Leader of a process group, so that a process left behind can be found.
    const child = spawn(process.execPath, args, { cwd: ROOT, detached: true, stdio: ["ignore", "pipe", "inherit"] });
    const url = await addressIn(child);
    return new Program(child, url, performance.now() - started);
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGINT");
    await gone;
  }

  /** Whether any process that the program has started is still there. */
  get isThere(): boolean {
    try {
      return process.kill(-(this.#child.pid as number), 0);
    } catch {
      return false;
    }
  }
}

async function addressIn({ stdout }: ChildProcess): Promise<string> {
  let text = "";
  for await (const octets of stdout?.iterator({ destroyOnReturn: false }) ?? []) {
    text += octets;
    const url = /as a page: (http:\S+)/.exec(text)?.[1];
    if (url === undefined) continue;
    stdout?.resume();
    return url;
  }
  throw new Error(`npm start has ended without a page:\n${text}`);
}
