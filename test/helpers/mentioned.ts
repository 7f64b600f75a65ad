import { existsSync, readFileSync } from "node:fs";
import { expect } from "vitest";

/** Each file is there, and has the code in it. */
export function expectMentioned(code: string, files: readonly string[]): void {
  for (const file of files) {
    const url = new URL(`../../${file}`, import.meta.url);
    expect(existsSync(url), `${file} exists`).toBe(true);
    expect(readFileSync(url, "utf8"), `${file} mentions ${code}`).toMatch(new RegExp(`\\b${code}\\b`));
  }
}
