import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLoad } from "./load.js";
import { startOrigin } from "./origin.js";
import { type Framework, linesPerRequest, type Variant } from "./variants.js";

const REQUESTS = 320;

/**
 * Makes sure that a variant does what it is measured for: complete answers, and as many log lines as it says.
 * @throws {Error} when it does not
 */
export async function checkHonesty(framework: Framework, variant: Variant, node: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "rayguard-bench-"));
  try {
    const log = join(folder, "log");
    const origin = await startOrigin({ framework, variant, node, log });
    const load = await openLoad(origin.port);
    const sent = await load.send(REQUESTS);
    load.close();
    await origin.stop();
    // A line about a request holds its Ray ID, Fastify's own number or the request line; others tell that the server listens.
    const lines = readFileSync(log, "utf8").match(/^.*(?:8f1c2d3e|"reqId"|"GET \/ ).*$/gm) ?? [];
    const expected = sent * linesPerRequest(framework, variant);
    if (lines.length !== expected) {
      throw new Error(`${framework} ${variant} logged ${lines.length} lines for ${sent} requests, not ${expected}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
