// npm start: what the edge shows for bare and for guarded origin servers, on real requests.
import { HELP, readArgs } from "./args.js";
import { openInBrowser } from "./page/open-in-browser.js";
import { Page } from "./page/page.js";
import { Playground } from "./playground.js";
import { brokenAtDeath, deathLines, deathSummary } from "./report/deaths.js";
import { brokenPromises, reportLines, summary } from "./report/report.js";

const args = parseOrExit();
if (args.help) {
  process.stdout.write(HELP);
  process.exit();
}

const playground = new Playground(args);
const page = args.page ? new Page({ workerd: args.workerd, port: args.pagePort }) : undefined;
// An interrupted demonstration has not shown anything; a visit afterwards has no other end.
let interruptedCode = 130;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => void finish(interruptedCode));
}

if (page) await show(page);
const comparisons = await playground.run().catch(() => finish(1)); // the progress indicator has shown the error
print("", ...reportLines(comparisons, playground.throughEdge), "");
const deaths = await playground.runDeaths().catch(() => finish(1));
if (deaths.length > 0) print("", ...deathLines(deaths));
const broken = [...brokenPromises(comparisons), ...brokenAtDeath(deaths)];
print("", ...comparisons.map(summary), ...deaths.map(deathSummary));
if (broken.length > 0) print("", "Not kept:", ...broken.map((line) => `  ${line}`));
if (args.once) await finish(broken.length > 0 ? 1 : 0);
interruptedCode = 0;
print("", ...playground.invitation(), "");
playground.followLogs((line) => print(line));

async function finish(code: number): Promise<never> {
  await Promise.all([playground.stop(), page?.stop()]);
  process.exit(code);
}

/** Starts the page; the table does without where that fails. */
async function show(page: Page): Promise<void> {
  try {
    const url = await page.start();
    print(`The playground as a page: ${url}`, "");
    if (args.open) openInBrowser(url);
  } catch (error) {
    print(`The page cannot be shown: ${(error as Error).message}`, "");
  }
}

function parseOrExit() {
  try {
    return readArgs(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${HELP}`);
    process.exit(2);
  }
}

function print(...lines: string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}
