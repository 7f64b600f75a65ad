import { types } from "node:util";

/**
 * What a log line may hold: its values come from clients as well as from the app, and are read in terminals. JSON escapes
 * the C0 controls and nothing else, and whoever prints a line in colours takes even that back.
 */

/** Longest text of a member, in UTF-16 code units; of a stack trace, and of everything else. */
const MOST = { stack: 8_192, other: 2_048 } as const;
const MOST_DEPTH = 4;
/** Members of errors that a loop does not find. */
const HIDDEN: readonly string[] = ["message", "stack", "cause", "errors"];
const HIDDEN_IN_DOM: readonly string[] = [...HIDDEN, "name", "code"];
const MOST_MEMBERS = 40;

/** Controls but tab and line feed, line separators of Unicode, and marks that change the direction of what follows. */
const UNSAFE = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/;
const UNSAFE_ALL = new RegExp(UNSAFE, "g");
/** What JSON makes of the controls among them. */
const UNSAFE_IN_JSON = /\\(?:u00|[bfr])/;

/** A text that can do nothing to a terminal, and that says how much of it was cut. */
export function loggableText(text: string, most: number = MOST.other): string {
  const cut = text.length - most;
  const kept = cut > 0 ? `${text.slice(0, most)}... (${cut} more characters)` : text;
  return UNSAFE.test(kept) ? kept.replace(UNSAFE_ALL, escaped) : kept;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** A record made safe and small; the same one where it is already. Errors stay errors of their class. Never throws. */
export function loggableRecord(record: object): object {
  try {
    return loggable(record, "", 0) as object;
  } catch {
    return { reason: "what was to be logged cannot be read" };
  }
}

/** Header fields that let whoever reads them act as somebody else; clients for HTTP put them into their errors. */
const SECRET = /^(?:(?:proxy-)?authorization|(?:set-)?cookie)$/i;

function loggable(value: unknown, name: string, depth: number): unknown {
  if (value !== undefined && value !== null && SECRET.test(name)) return "[redacted]";
  if (typeof value === "string") return loggableText(value, name === "stack" ? MOST.stack : MOST.other);
  if (value === null || typeof value !== "object") return value;
  if (ArrayBuffer.isView(value)) return `${value.byteLength} octets`;
  if (depth >= MOST_DEPTH) return "...";
  if (Array.isArray(value)) return loggableList(value, depth);
  // A class of its own, such as a Date or a Map, knows best how to show itself; its text is bounded by JSON alone.
  return isErrorLike(value) || (isRecord(value) && !showsItself(value))
    ? loggableMembers(value, depth)
    : loggableOther(value);
}

/** Of any realm, or what loggers take for an error. */
function isErrorLike(value: object): boolean {
  return types.isNativeError(value) || value instanceof Error || typeof (value as Error).message === "string";
}

function showsItself(value: object): boolean {
  return typeof (value as { toJSON?: unknown }).toJSON === "function";
}

function isRecord(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function loggableList(list: readonly unknown[], depth: number): readonly unknown[] {
  const items = list.slice(0, MOST_MEMBERS).map((item) => loggable(item, "", depth + 1));
  const cut = list.length - items.length;
  if (cut > 0) return [...items, `... (${cut} more)`];
  return items.every((item, i) => item === list[i]) ? list : items;
}

function loggableOther(value: object): unknown {
  let text: string;
  try {
    text = JSON.stringify(value) ?? "";
  } catch {
    return "..."; // one that leads back to itself
  }
  return text.length > MOST.other || UNSAFE.test(text) || UNSAFE_IN_JSON.test(text) ? loggableText(text) : value;
}

function loggableMembers(value: object, depth: number): object {
  const isError = isErrorLike(value);
  const isDom = value instanceof DOMException;
  const hidden = isError ? (isDom ? HIDDEN_IN_DOM : HIDDEN).filter((name) => name in value) : [];
  // What an error makes of itself for JSON is not looked at here.
  const names = [...new Set([...hidden, ...Object.keys(value)])].filter((name) => name !== "toJSON");
  const kept = names.slice(0, MOST_MEMBERS);
  const members = new Map<string, unknown>();
  let isSame = kept.length === names.length;
  for (const name of kept) {
    let member: unknown;
    try {
      member = (value as Record<string, unknown>)[name];
      members.set(name, loggable(member, name, depth + 1));
    } catch {
      members.set(name, "[cannot be read]");
    }
    isSame &&= members.get(name) === member && !UNSAFE.test(name) && name.length <= MOST.other;
  }
  // pino marks an error while it looks at it.
  if (isSame && !showsItself(value) && (!isError || Object.isExtensible(value))) return value;
  // The members of a DOMException can be read of it alone.
  const copy = Object.create(isDom ? Error.prototype : Object.getPrototypeOf(value)) as object;
  if (showsItself(value)) Object.defineProperty(copy, "toJSON", { value: undefined });
  for (const [name, member] of members) {
    const enumerable = Object.prototype.propertyIsEnumerable.call(value, name);
    Object.defineProperty(copy, loggableText(name), { value: member, enumerable, configurable: true, writable: true });
  }
  return copy;
}
