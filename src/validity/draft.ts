import type { OutgoingHttpHeaders } from "node:http";

/** Shapes in which a header section reaches the renderer of `node:http`. */
export type HeadersArgument = Record<string, unknown> | readonly unknown[] | OutgoingHttpHeaders | null | undefined;

/** One field as the app gave it: a value may be anything. */
export interface DraftField {
  name: string;
  value: unknown;
}

/** What is known of a response when its header section is about to be rendered. */
export interface DraftFacts {
  readonly method: string;
  readonly version: "1.0" | "1.1" | "2.0";
  /** The request asked for the connection to close, or its version implies it. */
  readonly requestCloses: boolean;
  /** Upgrade field of the request. */
  readonly upgradeOffered: string | undefined;
  /** Octets of content, where the app has handed over all of it. */
  readonly contentOctets: number | null;
  /** The app took both Content-Length and Transfer-Encoding away. */
  readonly framingRemoved: boolean;
  /** Node will add a Date. */
  readonly addsDate: boolean;
  readonly gatewayStatus: "remap" | "keep";
  readonly maxFieldLines: number;
}

/** A final response on its way to the renderer; rules read it, and the repair of a rule changes it. */
export interface Draft extends DraftFacts {
  status: number;
  reason: string;
  fields: DraftField[];
  /** Content goes with this response; false makes every octet of it disappear. */
  content: boolean;
  /** The renderer chunks content of unknown length, as for HTTP/1.1. */
  chunksByDefault: boolean;
  /** The renderer must add a Date. */
  needsDate: boolean;
  /** The renderer must frame the content although the app removed the fields for it. */
  needsFraming: boolean;
}

/**
 * Reads the argument of `writeHead` into a list of names and values in turn, each getter and each item of a list once:
 * whatever is judged is what is sent. Left as it is where Node refuses it.
 */
export function readHeaders(headers: HeadersArgument): readonly unknown[] | HeadersArgument {
  if (headers === null || headers === undefined) return headers;
  const flat: unknown[] = [];
  if (!Array.isArray(headers)) {
    const map = headers as Record<string, unknown>;
    for (const name of Object.keys(map)) {
      const value = map[name];
      flat.push(name, typeof value === "object" ? readValue(value) : value);
    }
    return flat;
  }
  if (Array.isArray(headers[0])) {
    for (const entry of headers) flat.push(entry[0], readValue(entry[1]));
    return flat;
  }
  if (headers.length % 2 !== 0) return headers;
  for (let i = 0; i < headers.length; i += 2) flat.push(headers[i], readValue(headers[i + 1]));
  return flat;
}

function readValue(value: unknown): unknown {
  return Array.isArray(value) ? copyOf(value) : value;
}

/** A list with the items that this one had once; a getter among them may answer differently the next time. */
export function copyOf(list: readonly unknown[]): unknown[] {
  const copy: unknown[] = [];
  for (let i = 0; i < list.length; i++) copy.push(list[i]);
  return copy;
}

/** Takes a header section apart into fields, in order. @param headers - of `setHeader`, or what `readHeaders` gave */
export function readFields(headers: HeadersArgument, isOutHeaders: boolean): DraftField[] {
  const fields: DraftField[] = [];
  if (headers === null || headers === undefined) return fields;
  if (isOutHeaders) {
    const map = headers as Record<string, [string, unknown]>;
    for (const key of Object.keys(map)) {
      const [name, value] = map[key] as [string, unknown];
      fields.push({ name, value: readValue(value) });
    }
    return fields;
  }
  const flat = headers as readonly unknown[];
  for (let i = 0; i + 1 < flat.length; i += 2) fields.push({ name: flat[i] as string, value: flat[i + 1] });
  return fields;
}

/** Puts the text of an object in its place, read once; one without a text of its own, or that throws, stays. */
export function readTexts(fields: readonly DraftField[]): void {
  for (const field of fields) {
    if (typeof field.value !== "object" || field.value === null) continue;
    field.value = Array.isArray(field.value) ? field.value.map(textOf) : textOf(field.value);
  }
}

function textOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null || isPlainObject(value)) return value;
  try {
    return String(value);
  } catch {
    return value;
  }
}

/** A value as Node writes it: the text of an object, or of each item of a list. Throws what that throws. */
export function writtenText(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return Array.isArray(value) ? copyOf(value).map(writtenText) : String(value);
}

/** An object nobody gave a text to: it would go out as `[object Object]`. */
export function isPlainObject(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value) || Symbol.toPrimitive in value) return false;
  const { toString: render } = value as { toString?: unknown };
  return render === Object.prototype.toString || typeof render !== "function";
}

/** Lower-case name; empty for what is no string, which Node refuses. */
export function keyOf(field: DraftField): string {
  return typeof field.name === "string" ? field.name.toLowerCase() : "";
}

/** Every value of `key` (lower case), arrays spread out. */
export function valuesOf(draft: Draft, key: string): unknown[] {
  const values: unknown[] = [];
  for (const field of draft.fields) {
    if (keyOf(field) !== key) continue;
    if (Array.isArray(field.value)) values.push(...field.value);
    else values.push(field.value);
  }
  return values;
}

/** Elements of a list, in lower case, without the empty ones. */
export function elementsIn(list: string): string[] {
  const elements = list.split(",").map((element) => element.trim().toLowerCase());
  return elements.filter((element) => element !== "");
}

/** The same over all lines of `key` (lower case). */
export function elementsOf(draft: Draft, key: string): string[] {
  return elementsIn(valuesOf(draft, key).join(","));
}

export function dropField(draft: Draft, key: string): void {
  draft.fields = draft.fields.filter((field) => keyOf(field) !== key);
}

/** Sets `key` to one value, in the place of its first line; adds it at the end where there is none. */
export function setField(draft: Draft, name: string, value: string): void {
  const key = name.toLowerCase();
  const first = draft.fields.find((field) => keyOf(field) === key);
  draft.fields = draft.fields.filter((field) => field === first || keyOf(field) !== key);
  if (first === undefined) draft.fields.push({ name, value });
  else first.value = value;
}
