import { HOP_BY_HOP } from "../http/fields.js";
import { LOWER_CASE_TOKEN } from "../http/grammar.js";

/** Names that were found to be plain. An app has few, and gives them with each response. */
const plain = new Set<string>();
const MOST_KNOWN = 1_000;

/** Whether Node takes a field of this name, which is in lower case and not about the connection. */
export function isPlainName(name: string): boolean {
  if (plain.has(name)) return true;
  if (!LOWER_CASE_TOKEN.test(name) || HOP_BY_HOP.has(name)) return false;
  if (plain.size < MOST_KNOWN) plain.add(name);
  return true;
}
