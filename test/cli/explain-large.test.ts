import { spawn } from "node:child_process";
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const MAIN = join(import.meta.dirname, "../../dist/src/cli/main.js");
const RAY = "230b030023ae2822";
const LINES = 200_000;

const directory = mkdtempSync(join(tmpdir(), "rayguard-explain-large-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** A log of some 50 MB whose last line but one is the one that is looked for. */
function* log(): Generator<string> {
  for (let i = 0; i < LINES; i++) {
    const ray = i === LINES - 2 ? RAY : i.toString(16).padStart(16, "0");
    yield `{"level":30,"time":${1_795_374_000_000 + i},"pid":1,"hostname":"a","reqId":"req-${i}","ray":"${ray}","colo":"SJC","clientIp":"203.0.113.7","verified":false,"method":"GET","url":"/orders/${i}?page=1&sort=name&filter=none","status":200,"octets":1234,"ms":3.1,"outcome":"intact","msg":"request"}\n`;
  }
}

/** Runs the command with a small heap, and has it tell the most memory it ever had. */
async function explain(...args: string[]) {
  const watch = `process.on("exit", () => process.stderr.write(String(process.resourceUsage().maxRSS)))`;
  const child = spawn(process.execPath, [
    "--max-old-space-size=64",
    "--import",
    `data:text/javascript,${encodeURIComponent(watch)}`,
    MAIN,
    "explain",
    RAY,
    "--json",
    ...args,
  ]);
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { told: JSON.parse(out), megabytes: Number(err) / 1024 };
}

describe("a log of 50 MB", () => {
  const plain = join(directory, "large.log");
  const packed = join(directory, "large.log.gz");

  beforeAll(async () => {
    await pipeline(log, createWriteStream(plain));
    await pipeline(log, createGzip({ level: 1 }), createWriteStream(packed));
  }, 60_000);

  it.each([
    ["plain", plain],
    ["compressed", packed],
  ])(
    "is read with a bounded memory: %s",
    async (_, file) => {
      const { told, megabytes } = await explain(file);
      expect(told).toMatchObject({ found: true, files: [{ lines: LINES, skipped: 0 }] });
      expect(told.lines).toMatchObject([{ line: LINES - 1, url: `/orders/${LINES - 2}?page=1&sort=name&filter=none` }]);
      expect(megabytes).toBeGreaterThan(20);
      expect(megabytes).toBeLessThan(160);
    },
    60_000,
  );
});
