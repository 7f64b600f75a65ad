import { readFileSync } from "node:fs";
import type { Word } from "./judge.js";
import type { Framework } from "./scenario.js";

const RECORD = new URL("bare-http2.json", import.meta.url);

/** What bare frameworks of each kind do over HTTP/2 with cleartext, on Node 20: the same word for all, or one for each. */
type Recorded = Readonly<Record<string, Word | Readonly<Partial<Record<Framework, Word>>>>>;

/** Written by `bare.ts --protocol h2c --record`. */
const recorded = JSON.parse(readFileSync(RECORD, "utf8")) as Recorded;

/** Whether every framework gets it right over HTTP/2 without a guard. */
export function isRightBareOverHttp2(name: string): boolean {
  return recorded[name] === "fine";
}

export { RECORD, type Recorded, recorded };
