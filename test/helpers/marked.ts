import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";

const ROOT = join(import.meta.dirname, "../..");

/** Rewrites the generated parts of documents instead of comparing them. */
const updates = process.env.UPDATE_DOCS !== undefined;

const markedBy = (name: string) => new RegExp(`(<!-- ${name}: [^>]*-->\n)([^]*?)(<!-- /${name} -->)`);

/** What stands between `<!-- name: ... -->` and `<!-- /name -->`. @param file - path in the repository */
export function markedPart(file: string, name: string): string {
  const part = markedBy(name).exec(readFileSync(join(ROOT, file), "utf8"))?.[2];
  if (part === undefined) throw new Error(`${file} has no part "${name}"`);
  return part.trim();
}

/** Compares a generated part of a document with what it has to be; with UPDATE_DOCS it is written. */
export function expectMarked(file: string, name: string, wanted: string): void {
  if (updates) {
    const path = join(ROOT, file);
    const text = readFileSync(path, "utf8");
    writeFileSync(
      path,
      text.replace(markedBy(name), (_all, open: string, _old: string, close: string) => `${open}${wanted}\n${close}`),
    );
  }
  expect(markedPart(file, name)).toBe(wanted);
}
