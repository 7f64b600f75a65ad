import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CHROMIUM, runCause, Visit } from "./browser.js";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const SCREENS = [
  { colorScheme: "light", width: 1280 },
  { colorScheme: "dark", width: 1280 },
  { colorScheme: "light", width: 390 },
  { colorScheme: "dark", width: 390 },
] as const;

describe.skipIf(CHROMIUM === undefined)("the page in a browser", { timeout: 60_000 }, () => {
  let visit: Visit;

  beforeAll(async () => {
    visit = await Visit.start();
    // A wide row for the list of runs.
    const tab = await shown(visit, {}, "#spoofed");
    await tab.context().close();
  }, 60_000);

  afterAll(() => visit?.stop());

  it.each(SCREENS)("is accessible and fits ($colorScheme, $width px)", async ({ colorScheme, width }) => {
    const tab = await shown(
      visit,
      { colorScheme, viewport: { width, height: 844 }, bypassCSP: true },
      "#length-too-small",
    );
    await tab.evaluate("for (const one of document.querySelectorAll('details')) one.open = true");
    await tab.addScriptTag({ content: await readFile(AXE, "utf8") });
    const { violations } = await tab.evaluate<AxeResults>("axe.run(document, { iframes: false })");
    const found = violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ target }) => target)}`);
    expect(found).toEqual([]);
    // Nothing is wider than the screen.
    expect(await tab.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
    // Both outcomes of a run are in sight.
    expect(await tab.evaluate(`(${overflow})(document.querySelector(".lists .scroll"))`)).toBeLessThanOrEqual(0);
    await tab.context().close();
  });

  it("asks nobody but its own server, and obeys its own policy", async () => {
    const tab = await visit.open();
    const asked: string[] = [];
    const complaints: string[] = [];
    tab.on("request", (request) => asked.push(new URL(request.url()).origin));
    tab.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    tab.on("pageerror", (error) => complaints.push(error.message));
    await tab.reload();
    await tab.waitForSelector("#result[data-run]");
    await runCause(tab, "malformed");
    expect([...new Set(asked)]).toEqual([visit.url]);
    expect(complaints).toEqual([]);
    await tab.context().close();
  });

  it("is used by keyboard alone", async () => {
    const tab = await shown(visit);
    await tab.focus('[data-cause="empty"]');
    await tab.keyboard.press("ArrowDown");
    await tab.keyboard.press("Enter");
    await tab.waitForSelector('#result[data-cause="stream-early"]');
    expect(await tab.textContent("#announcement")).toMatch(/: bare 520, guarded 500 complete\.$/);
    await tab.focus('input[name="framework"]:checked');
    await tab.keyboard.press("ArrowRight");
    await tab.waitForSelector('#result[data-framework="node"]');
    await tab.context().close();
  });

  it("names the rule that was broken at the octet where it shows", async () => {
    const tab = await shown(visit, {}, "#length-too-small");
    const bare = tab.locator(".pair .side.bare");
    const problem = bare.locator(".problem").first();
    expect(await problem.textContent()).toMatch(/^MC-7 at octet \d+: .*RFC 9112, sections 6\.3 and 11\.1$/);
    expect(await bare.locator(".row.surplus code").textContent()).toBe(" than four octets");
    expect(await tab.locator(".pair .side.guarded .problem").count()).toBe(0);
    await tab.context().close();
  });

  it("shows the edge's page with the Ray ID and the address of the request", async () => {
    const tab = await shown(visit);
    await tab.click("summary:has(#request-summary)");
    await fillField(tab, "CF-RAY", "9123456789abcdef-AMS");
    await fillField(tab, "CF-Connecting-IP", "192.0.2.44");
    await again(tab);
    const frame = tab.frameLocator(".side.bare iframe");
    const text = await frame.locator("body").textContent();
    expect(text).toContain("9123456789abcdef-AMS");
    expect(text).toContain("192.0.2.44");
    expect(await tab.textContent(".side.guarded .incident h4")).toContain("MC-2");
    await tab.context().close();
  });

  it("reuses a connection where it is asked to", async () => {
    const tab = await shown(visit, {}, "#throw");
    await tab.click("summary:has(#request-summary)");
    await tab.selectOption("#way", "direct");
    await tab.check("#kept-alive");
    await again(tab);
    const request = tab.locator(".pair .side.guarded .request-octets code");
    const lines = await request.allTextContents();
    expect(lines.filter((line) => line.startsWith("GET "))).toEqual([
      expect.stringContaining("GET / HTTP/1.1"),
      expect.stringContaining("GET /throw HTTP/1.1"),
    ]);
    await tab.context().close();
  });

  it("refuses a field that decides where a request ends", async () => {
    const tab = await shown(visit);
    await tab.click("summary:has(#request-summary)");
    await tab.click("#add-field");
    await tab.locator("#fields li:last-child input").first().fill("Transfer-Encoding");
    await tab.click("#run");
    await tab.waitForSelector("#error:not([hidden])");
    expect(await tab.textContent("#error")).toBe("Transfer-Encoding is for the edge to set; leave it out.");
    await tab.context().close();
  });

  it("restarts what is killed, drains what is told to end, and says when the loop is blocked", async () => {
    const tab = await shown(visit);
    const guarded = tab.locator(".process.guarded");
    const pid = async () => /process(\d+)/.exec((await guarded.textContent()) ?? "")?.[1];
    const first = await pid();
    await guarded.getByText("Kill -9").click();
    await expect.poll(pid, { timeout: 10_000 }).not.toBe(first);
    await expect.poll(() => guarded.locator(".state").textContent(), { timeout: 10_000 }).toBe("serving");
    expect(await guarded.textContent()).toContain("restarts1");

    await guarded.getByText("Block loop").click();
    await expect.poll(() => guarded.locator(".state").textContent(), { timeout: 6_000 }).toBe("blocked");
    await expect.poll(() => guarded.locator(".state").textContent(), { timeout: 10_000 }).toBe("serving");

    await tab.check("#traffic");
    await guarded.getByText("SIGTERM").click();
    await expect.poll(() => guarded.textContent(), { timeout: 10_000 }).toContain("restarts2");
    await tab.uncheck("#traffic");
    await tab.context().close();
  });

  it("counts what it prevented and lists every run", async () => {
    const tab = await shown(visit);
    const prevented = Number(await tab.textContent("#header-prevented"));
    await runCause(tab, "dropped");
    await expect.poll(async () => Number(await tab.textContent("#header-prevented"))).toBeGreaterThan(prevented);
    const rows = tab.locator("#history tr");
    expect(await rows.first().textContent()).toMatch(/#\d+ droppedfastify✕520✓500 complete/);
    await rows.nth(1).locator("button").click();
    await tab.waitForSelector('#result:not([data-cause="dropped"])');
    expect(await tab.getAttribute("#chart", "aria-label")).toMatch(/Guarded: \d+ complete, \d+ cut or failed/);
    await tab.context().close();
  });

  it("shows what clients get when a process dies, bare and kept", async () => {
    const tab = await shown(visit, {}, "#deploy-under-load");
    expect(await tab.textContent("#announcement")).toMatch(/: bare 520, 521.*, kept 200 complete\.$/);
    expect(await tab.isVisible("#builder")).toBe(false);
    const rows = (side: string) => tab.locator(`.pair .side.${side} .outcomes tbody th`).allTextContents();
    expect(await rows("bare")).toEqual(expect.arrayContaining(["200", "520", "521"]));
    expect(await rows("guarded")).toEqual(["200"]);
    expect(await tab.locator("#history tr").first().textContent()).toMatch(
      /deploy-under-loadfastify✕520, 521.*✓200 complete/,
    );
    await runCause(tab, "empty");
    expect(await tab.isVisible("#builder")).toBe(true);
    await tab.locator("#history tr").nth(1).locator("button").click();
    await tab.waitForSelector('#result[data-cause="deploy-under-load"]');
    await tab.context().close();
  });

  it("explains every status from 520 to 526", async () => {
    const tab = await shown(visit);
    const rows = await tab.locator(".statuses tbody th").allTextContents();
    expect(rows).toEqual(["520", "521", "522", "523", "524", "525", "526"]);
    await tab.context().close();
  });
});

const overflow = "(box) => box.scrollWidth - box.clientWidth";

async function shown(visit: Visit, options: Parameters<Visit["open"]>[0] = {}, hash = ""): Promise<Page> {
  const tab = await visit.open(options, hash);
  await tab.waitForSelector("#result[data-run]", { timeout: 30_000 });
  await tab.waitForSelector("#processes article", { state: "attached" });
  return tab;
}

async function again(tab: Page): Promise<void> {
  const run = await tab.getAttribute("#result", "data-run");
  await tab.click("#run");
  await tab.waitForSelector(`#result:not([data-run="${run}"])`, { timeout: 30_000 });
}

function fillField(tab: Page, name: string, value: string): Promise<void> {
  return tab.getByLabel(`Value of ${name}`).fill(value);
}
