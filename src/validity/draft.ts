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
  /** The renderer must add a Date. */
  needsDate: boolean;
  /** The renderer must frame the content although the app removed the fields for it. */
  needsFraming: boolean;
}

/** Flattens the shapes `writeHead` and `setHeader` leave behind into fields, in order. */
export function readFields(headers: HeadersArgument, isOutHeaders: boolean): DraftField[] {
  const fields: DraftField[] = [];
  if (headers === null || headers === undefined) return fields;
  if (Array.isArray(headers)) {
    if (Array.isArray(headers[0])) {
      for (const entry of headers) fields.push({ name: entry[0], value: entry[1] });
    } else {
      for (let i = 0; i + 1 < headers.length; i += 2) fields.push({ name: headers[i], value: headers[i + 1] });
    }
    return fields;
  }
  const map = headers as Record<string, unknown>;
  for (const key of Object.keys(map)) {
    if (isOutHeaders) {
      const [name, value] = map[key] as [string, unknown];
      fields.push({ name, value });
    } else fields.push({ name: key, value: map[key] });
  }
  return fields;
}

/** Lower-case name, also for what is no string. */
export function keyOf(field: DraftField): string {
  return String(field.name).toLowerCase();
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
