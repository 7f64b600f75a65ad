import { mkdtempSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { afterAll } from "vitest";

const made = new Map<string, Promise<string>>();
const directories: string[] = [];

afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/**
 * Path of a program in JavaScript, which a test starts as a process of its own. A loader would make it anew for each of
 * them, of which there are hundreds, and take more of a machine for that than what is tested.
 */
export function program(url: URL): Promise<string> {
  const source = fileURLToPath(url);
  const path = made.get(source) ?? make(source);
  made.set(source, path);
  return path;
}

async function make(source: string): Promise<string> {
  // Beside its source, from where its packages are found.
  const dir = mkdtempSync(join(dirname(source), ".program-"));
  directories.push(dir);
  const bundle = await rolldown({ input: source, platform: "node", external: /^[^./]/ });
  await bundle.write({ dir, format: "esm", entryFileNames: "[name].mjs", chunkFileNames: "[name].mjs" });
  return join(dir, basename(source).replace(/ts$/, "mjs"));
}
