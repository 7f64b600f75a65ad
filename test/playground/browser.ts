import { type Browser, chromium, type Page } from "playwright-core";
import { findChromium } from "../../playground/page/find-chromium.js";
import { Program } from "./program.js";

export const CHROMIUM = findChromium();
if (CHROMIUM === undefined) {
  process.stderr.write(
    "No Chromium in PATH: the tests of the page in a browser are skipped (apt-get install chromium).\n",
  );
}

/** `npm start` as a user runs it, and a browser beside it. */
export class Visit {
  readonly program: Program;
  readonly #browser: Browser;

  private constructor(program: Program, browser: Browser) {
    this.program = program;
    this.#browser = browser;
  }

  static async start(): Promise<Visit> {
    // A sandbox of its own needs rights that a container rarely gives; everything here is on loopback.
    const launched = chromium.launch({ executablePath: CHROMIUM as string, args: ["--no-sandbox"] });
    const [program, browser] = await Promise.all([Program.start(), launched]);
    return new Visit(program, browser);
  }

  get url(): string {
    return this.program.url;
  }

  /** A tab in a context of its own. */
  async open(options: Parameters<Browser["newContext"]>[0] = {}, hash = ""): Promise<Page> {
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const tab = await context.newPage();
    await tab.goto(`${this.url}/${hash}`);
    return tab;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#browser.close(), this.program.stop()]);
  }
}

/** Chooses a cause in the list, and waits for its result. */
export async function runCause(tab: Page, cause: string): Promise<void> {
  const before = await tab.locator("#result").getAttribute("data-run");
  await tab.click(`[data-cause="${cause}"]`);
  await tab.waitForSelector(`#result[data-cause="${cause}"]:not([data-run="${before}"])`, { timeout: 60_000 });
}
