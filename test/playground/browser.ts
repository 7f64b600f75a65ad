import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { findChromium } from "../../playground/page/find-chromium.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export const CHROMIUM = findChromium();
if (CHROMIUM === undefined) {
  process.stderr.write(
    "No Chromium in PATH: the tests of the page in a browser are skipped (apt-get install chromium).\n",
  );
}

/** `npm start` as a user runs it, and a browser beside it. */
export class Visit {
  readonly #program: ChildProcess;
  readonly #browser: Browser;
  readonly url: string;
  /** From the start of the program to the address of the page, in milliseconds. */
  readonly upAfterMs: number;

  private constructor(program: ChildProcess, browser: Browser, url: string, upAfterMs: number) {
    this.#program = program;
    this.#browser = browser;
    this.url = url;
    this.upAfterMs = upAfterMs;
  }

  static async start(): Promise<Visit> {
    const started = performance.now();
    const args = ["--import", "tsx", "playground/start.ts", "--no-open"];
    const program = spawn(process.execPath, args, { cwd: ROOT, detached: true, stdio: ["ignore", "pipe", "inherit"] });
    const url = await addressIn(program);
    const upAfterMs = performance.now() - started;
    // A sandbox of its own needs rights that a container rarely gives; everything here is on loopback.
    const browser = await chromium.launch({ executablePath: CHROMIUM as string, args: ["--no-sandbox"] });
    return new Visit(program, browser, url, upAfterMs);
  }

  /** A tab in a context of its own. */
  async open(options: Parameters<Browser["newContext"]>[0] = {}, hash = ""): Promise<Page> {
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const tab = await context.newPage();
    await tab.goto(`${this.url}/${hash}`);
    return tab;
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    const gone = once(this.#program, "exit");
    this.#program.kill("SIGINT");
    await gone;
  }

  /** Whether any process that the program has started is still there. */
  get leavesProcesses(): boolean {
    try {
      return process.kill(-(this.#program.pid as number), 0);
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

/** Chooses a cause in the list, and waits for its result. */
export async function runCause(tab: Page, cause: string): Promise<void> {
  const before = await tab.locator("#result").getAttribute("data-run");
  await tab.click(`[data-cause="${cause}"]`);
  await tab.waitForSelector(`#result[data-cause="${cause}"]:not([data-run="${before}"])`, { timeout: 30_000 });
}
