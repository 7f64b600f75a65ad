import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findInPath } from "../proxies/proxy.js";
import { ROOT, snippetsIn, textOf } from "./documents.js";

const RAY = "230b030023ae2822";
const LINE = `${snippetsIn("json").find(({ document, text }) => document === "README.md" && text.includes(RAY))?.text}`;

/** Writes the files of a journal; Debian has it in a package of that name. */
const WRITER = "/lib/systemd/systemd-journal-remote";
const journalctl = findInPath("journalctl");
const isHere = journalctl !== undefined && existsSync(WRITER);
const why = isHere ? "" : " (skipped: it takes systemd and systemd-journal-remote)";

describe.skipIf(!isHere)(`the journal of systemd${why}`, () => {
  let folder: string;
  let journal: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "rayguard-journal-"));
    journal = join(folder, "app.journal");
    const fields = {
      __REALTIME_TIMESTAMP: "1795374000000000",
      __MONOTONIC_TIMESTAMP: "1",
      _BOOT_ID: "0123456789abcdef0123456789abcdef",
      _MACHINE_ID: "0123456789abcdef0123456789abcdef",
      _HOSTNAME: "web-1",
      _SYSTEMD_UNIT: "app.service",
      _PID: "4711",
      SYSLOG_IDENTIFIER: "node",
      MESSAGE: LINE.trim(),
    };
    const entry = Object.entries(fields).map(([name, value]) => `${name}=${value}\n`);
    const input = `${entry.join("")}\n`;
    const written = spawnSync(WRITER, ["--output", journal, "-"], { input, encoding: "utf8" });
    expect(written.status, written.stderr).toBe(0);
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  function read(...args: string[]): string {
    const ran = spawnSync(journalctl as string, ["--file", journal, "--quiet", ...args], { encoding: "utf8" });
    expect(ran.status, ran.stderr).toBe(0);
    return ran.stdout;
  }

  it.each([[["-o", "json"]], [["-o", "short-iso"]], [["-o", "cat"]], [[]]])(
    "as journalctl %j writes it is read by rayguard explain",
    (args) => {
      expect(textOf("docs/reference/explain.md")).toContain("`journalctl -o json`");
      const file = join(folder, "app.log");
      writeFileSync(file, read(...args));
      const command = [join(ROOT, "dist/src/cli/main.js"), "explain", RAY, file, "--json"];
      const { stdout } = spawnSync(process.execPath, command, { encoding: "utf8" });
      const { found, arrivals } = JSON.parse(stdout) as { found: boolean; arrivals: { request: object }[] };
      expect(found).toBe(true);
      expect(arrivals).toMatchObject([{ request: { url: "/orders?token=[redacted]", status: 500 } }]);
    },
  );

  it("has the lines of a unit, as the page for a 520 asks for them", () => {
    expect(textOf("docs/guides/520-now.md")).toContain("`journalctl -u app`");
    expect(read("-u", "app")).toContain(RAY);
    expect(read("-u", "another")).toBe("");
  });
});
