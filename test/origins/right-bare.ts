import { readFileSync } from "node:fs";

/**
 * Names of the scenarios that every bare framework gets right on Node 20: they hold the guard to leaving them right,
 * but prove nothing else. Written by `bare.ts --record`.
 */
export const RIGHT_BARE: ReadonlySet<string> = new Set(
  JSON.parse(readFileSync(new URL("right-bare.json", import.meta.url), "utf8")) as string[],
);
