import type { Stats } from "node:fs";
import type { ServerHttp2Stream } from "node:http2";
import { CHUNKED, type Framing, NONE, ofLength } from "../exchange/framing.js";
import type { Page } from "../fallback/page.js";
import { type FieldLine, renderFields } from "../http/message.js";
import { isBodiless } from "../http/status.js";
import { copyOf, writtenText } from "../validity/draft.js";

/** A field section as `node:http2` takes it: pseudo-header fields, and values by name. */
export type Fields = Record<string | symbol, unknown>;

/** A header section that the app has decided. */
export interface Head {
  /** Fields by lower-case name, pseudo-header fields among them: what the guard goes by. */
  readonly fields: Fields;
  /** What Node is given: the fields as the app has named and ordered them, until one of them is mended. */
  given: Fields | readonly unknown[];
  readonly options: RespondOptions | undefined;
  /** What Node would show of it as `sentHeaders`, once anybody has asked. */
  shown?: Fields;
}

/** What an app may have to say about a file before Node responds with it. @returns false for nothing of the file */
export type StatCheck = (
  this: ServerHttp2Stream,
  stat: Stats,
  headers: Fields,
  /** Of a file that the app has opened, of which Node does not tell the length to the recipient. */
  range?: Range,
) => unknown;

/** What is to be sent of a file. */
interface Range {
  readonly offset?: number;
  readonly length?: number;
}

export interface RespondOptions extends Range {
  readonly statCheck?: StatCheck | undefined;
  readonly endStream?: boolean;
  readonly waitForTrailers?: boolean;
  readonly sendDate?: boolean;
}

export function isFieldsObject(headers: unknown): headers is object {
  return typeof headers === "object" && headers !== null && !Array.isArray(headers);
}

/** A copy of a section, for which each getter is asked once. `http2.sensitiveHeaders` is a symbol, and goes along. */
export function snapshot(headers: object): Fields {
  const fields = new Named();
  for (const name in headers) {
    if (!Object.hasOwn(headers, name)) continue;
    const value = (headers as Fields)[name];
    fields[name] = Array.isArray(value) ? copyOf(value) : value;
  }
  return withSymbolsOf(headers, fields);
}

/** Has no names but its own, and is read several times as fast as an object that has no prototype at all. */
const Named = function Named() {} as unknown as { new (): Fields; prototype: object };
Named.prototype = Object.create(null);

/** The same of a list of names and values in turn. */
export function snapshotOfList(list: readonly unknown[]): readonly unknown[] {
  const copy = list.map((value) => (Array.isArray(value) ? copyOf(value) : value));
  return withSymbolsOf(list, copy);
}

/** The same with the text of each value, which Node would read anew each time. */
export function readOnce(headers: object): Fields {
  const fields = snapshot(headers);
  for (const name of Object.keys(fields)) fields[name] = writtenText(fields[name]);
  return fields;
}

/** Fields by lower-case name; what Node leaves out is left out, and lines of one name are one field. */
export function byName(given: Fields | readonly unknown[]): Fields {
  const fields: Fields = withSymbolsOf(given, Object.create(null));
  const add = (name: string, value: unknown) => {
    if (value === undefined || name === "" || (Array.isArray(value) && value.length === 0)) return;
    const key = name.toLowerCase();
    fields[key] = key in fields ? [fields[key], value].flat() : value;
  };
  if (Array.isArray(given)) for (let at = 0; at < given.length; at += 2) add(String(given[at]), given[at + 1]);
  else for (const [name, value] of Object.entries(given)) add(name, value);
  return fields;
}

/** The header section as Node shows it once it is sent. */
export function shownHead(head: Head): Fields {
  if (head.shown !== undefined) return head.shown;
  const { given, options } = head;
  let shown: Fields;
  if (Array.isArray(given)) {
    shown = withSymbolsOf(given, Object.create(null));
    for (let at = 0; at < given.length; at += 2) {
      const [name, value] = [given[at] as string, given[at + 1]];
      shown[name] = name in shown ? [shown[name], value].flat() : value;
    }
  } else {
    shown = Object.assign(Object.create(null), snapshot(given));
    shown[":status"] = Number(shown[":status"]) || 200;
    if (options?.sendDate !== false) shown.date ??= new Date().toUTCString();
  }
  head.shown = shown;
  return shown;
}

function withSymbolsOf<T extends object>(from: object, into: T): T {
  for (const symbol of Object.getOwnPropertySymbols(from)) Reflect.set(into, symbol, Reflect.get(from, symbol));
  return into;
}

/** A header section as HTTP/1.1 would render it: for whoever reads it, it is the same. */
export function render(fields: Fields): string {
  return `HTTP/1.1 ${statusOf(fields)} \r\n${renderFields(linesOf(fields))}\r\n`;
}

/** Whether Node ends a stream with this header section. */
export function hasNoContent(fields: Fields, method: string): boolean {
  const status = statusOf(fields);
  return method === "HEAD" || status === 205 || isBodiless(status);
}

/** Status code as Node reads it. */
export function statusOf(fields: Fields): number {
  return Number(fields[":status"]) | 0 || 200;
}

/** How a recipient finds the end of the content. */
export function framingOf(fields: Fields, method: string): Framing {
  if (hasNoContent(fields, method)) return NONE;
  const length = Number(fields["content-length"] ?? Number.NaN);
  return Number.isSafeInteger(length) && length >= 0 ? ofLength(length) : CHUNKED;
}

/** Field lines without the pseudo-header fields. */
export function linesOf(fields: Fields): FieldLine[] {
  return Object.entries(fields).flatMap(([name, value]) =>
    name.startsWith(":") ? [] : (Array.isArray(value) ? value : [value]).map((item): FieldLine => [name, String(item)]),
  );
}

/** Of what the app has set for a header section to come, which nobody has judged: what is text without asking the app. */
export function plainFields(given: object = {}): Fields {
  const isPlain = (value: unknown) => typeof value === "string" || typeof value === "number";
  return Object.fromEntries(Object.entries(given).filter(([, value]) => [value].flat().every(isPlain)));
}

/** Header section of a fallback. */
export function fieldsOf(page: Page): Record<string, string | number | string[]> {
  const fields: Record<string, string | number | string[]> = { ":status": page.status };
  for (const [name, value] of page.fields) {
    const key = name.toLowerCase();
    const before = fields[key];
    fields[key] = before === undefined ? value : [...(Array.isArray(before) ? before : [String(before)]), value];
  }
  return fields;
}
