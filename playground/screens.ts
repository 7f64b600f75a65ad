// npm run screens: pictures of the page for the documents, with a Chromium of this system.
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { chromium, type Page as Tab } from "playwright-core";
import { findChromium } from "./page/find-chromium.js";
import { Page } from "./page/page.js";
import { smallerPng } from "./page/smaller-png.js";

const FOLDER = fileURLToPath(new URL("../docs/screens/", import.meta.url));
const MAX_OCTETS = 150_000;

/** Causes whose outcomes fill the live part; each takes a moment only. */
const QUICK = ["empty", "malformed", "throw", "reject", "bad-value", "header-limit", "dropped", "length-too-small"];
/** Long enough for the chart to have a shape. */
const TRAFFIC_MS = 12_000;

const executablePath = findChromium();
if (executablePath === undefined) {
  process.stderr.write("There is no Chromium in PATH: install one, on Debian with apt-get install chromium.\n");
  process.exit(1);
}

const page = new Page({ workerd: true, port: 0 });
const url = await page.start();
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-lcd-text"] });
await mkdir(FOLDER, { recursive: true });

await picture("result", "light", 1280, 1000, "#throw", async () => {});
await picture("octets", "dark", 1280, 760, "#length-too-small", async (tab) => {
  await tab.locator(".pair").nth(1).scrollIntoViewIfNeeded();
  await tab.evaluate("document.querySelectorAll('.pair')[1].scrollIntoView({ behavior: 'instant' })");
});
await picture("live", "light", 1280, 800, "#empty", async (tab) => {
  await tab.check("#traffic");
  for (const cause of [...QUICK, ...QUICK]) await run(tab, cause);
  await tab.click('[data-order="bare-fastify sigterm"]');
  await tab.click('[data-order="fastify sigterm"]');
  await tab.waitForTimeout(TRAFFIC_MS);
  await tab.evaluate("document.querySelector('#live').scrollIntoView({ behavior: 'instant' })");
});
await picture("killed", "light", 1280, 860, "#killed", async () => {});

await browser.close();
await page.stop();
process.exit();

async function picture(
  name: string,
  colorScheme: "light" | "dark",
  width: number,
  height: number,
  hash: string,
  prepare: (tab: Tab) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext({ colorScheme, viewport: { width, height }, reducedMotion: "reduce" });
  const tab = await context.newPage();
  await tab.goto(`${url}/${hash}`);
  await tab.waitForSelector("#result[data-run]");
  await prepare(tab);
  const png = smallerPng(await tab.screenshot());
  await context.close();
  if (png.length > MAX_OCTETS)
    throw new Error(`${name}.png has ${png.length} octets; at most ${MAX_OCTETS} are wanted.`);
  await writeFile(`${FOLDER}${name}.png`, png);
  process.stdout.write(`docs/screens/${name}.png ${png.length} octets\n`);
}

async function run(tab: Tab, cause: string): Promise<void> {
  const before = await tab.getAttribute("#result", "data-run");
  await tab.click(`[data-cause="${cause}"]`);
  await tab.waitForSelector(`#result[data-cause="${cause}"]:not([data-run="${before}"])`);
}
