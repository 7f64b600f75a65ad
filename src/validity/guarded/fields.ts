import { type Draft, type DraftField, keyOf } from "../draft.js";
import { INVALID } from "../scan.js";
import type { GuardedRule } from "./index.js";

/** Fields whose second line makes recipients refuse the message, or take one line or the other. */
const SINGLE = new Set([
  "content-type",
  "content-range",
  "content-location",
  "location",
  "date",
  "etag",
  "last-modified",
  "retry-after",
  "age",
  "expires",
  "server",
]);

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Field lines (RFC 9110, section 5; RFC 9112, section 5). */
export const fieldRules: readonly GuardedRule[] = [
  {
    id: "HF-17",
    check: (draft) => {
      const empty = draft.fields.filter((field) => items(field).some(isNothing));
      if (empty.length === 0) return null;
      return {
        found: `The app gave no text as the value of ${names(empty)}.`,
        repair: (d) => {
          d.fields = d.fields.flatMap((field) => {
            const kept = items(field).filter((value) => !isNothing(value));
            if (kept.length === 0) return [];
            return [{ name: field.name, value: Array.isArray(field.value) ? kept : kept[0] }];
          });
        },
      };
    },
  },
  {
    // Node refuses such values where it can see them. These got past it: lists changed after they were set, objects
    // that stringify differently the second time.
    id: "HF-3",
    check: (draft) => {
      const texts = new Map<DraftField, string[]>();
      let found = "";
      for (const field of draft.fields) {
        const before = items(field);
        const after = before.map(text);
        const differs = after.some((value, i) => value !== before[i] && typeof before[i] !== "number");
        if (!differs) continue;
        texts.set(field, after);
        if (
          before.some((value) => (typeof value !== "string" ? false : INVALID.test(value))) ||
          before.some((v) => typeof v === "object")
        ) {
          found ||= String(field.name);
        }
      }
      if (texts.size === 0) return null;
      const repair = (d: Draft) => {
        for (const field of d.fields) {
          const values = texts.get(field);
          if (values !== undefined) field.value = Array.isArray(field.value) ? values : values[0];
        }
      };
      if (found !== "")
        return { found: `The value of ${printable(found)} changed, or holds control characters.`, repair };
      repair(draft); // true, false and the like: their text is all that was ever meant
      return null;
    },
  },
  {
    id: "HF-1",
    check: (draft) => {
      // Node throws for these; only HTTP/2 and hand-made arrays reach this point.
      const bad = draft.fields.filter((field) => typeof field.name !== "string" || !TOKEN.test(field.name));
      if (bad.length === 0 || draft.version !== "2.0") return null;
      return {
        found: `${names(bad)} is no field name.`,
        repair: (d) => {
          d.fields = d.fields.filter((field) => TOKEN.test(String(field.name)));
        },
      };
    },
  },
  {
    id: "HF-10",
    check: (draft) => {
      const seen = new Set<string>();
      const again = new Set<string>();
      for (const field of draft.fields) {
        const key = keyOf(field);
        if (!SINGLE.has(key) || items(field).length === 0) continue;
        if (seen.has(key) || (Array.isArray(field.value) && field.value.length > 1)) again.add(key);
        seen.add(key);
      }
      if (again.size === 0) return null;
      return {
        found: `The app sent more than one line of ${[...again].join(", ")}; the last one went out.`,
        repair: (d) => {
          for (const key of again) keepLast(d, key);
        },
      };
    },
  },
  {
    id: "HF-20",
    check: (draft) => {
      let lines = 4; // Date, Connection, Keep-Alive and framing are Node's own
      for (const field of draft.fields) lines += Array.isArray(field.value) ? field.value.length : 1;
      if (lines <= draft.maxFieldLines) return null;
      return {
        found: `The app sent about ${lines} field lines, and the edge takes ${draft.maxFieldLines}: mostly ${mostRepeated(draft)}.`,
      };
    },
  },
  {
    id: "MD-1",
    check: (draft) => {
      if (draft.addsDate || draft.status < 200 || draft.fields.some((field) => keyOf(field) === "date")) return null;
      return {
        found: "The app took the Date field away.",
        repair: (d) => {
          d.needsDate = true;
        },
      };
    },
  },
];

function items(field: DraftField): unknown[] {
  return Array.isArray(field.value) ? field.value : [field.value];
}

function isNothing(value: unknown): boolean {
  return (
    value === null ||
    value === undefined ||
    Number.isNaN(value) ||
    typeof value === "function" ||
    typeof value === "symbol" ||
    isPlainObject(value)
  );
}

/** An object nobody gave a text to: it would go out as `[object Object]`. */
function isPlainObject(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return (
    (value as { toString?: unknown }).toString === Object.prototype.toString ||
    typeof (value as { toString?: unknown }).toString !== "function"
  );
}

/** Text of a value, with everything a field value must not hold turned into spaces (RFC 9110, section 5.5). */
function text(value: unknown): string {
  let raw: string;
  try {
    raw = typeof value === "string" ? value : String(value);
  } catch {
    return "";
  }
  return INVALID.test(raw) ? raw.replace(/[^\t\x20-\x7e\x80-\xff]+/g, " ").trim() : raw;
}

function keepLast(draft: Draft, key: string): void {
  const lines = draft.fields.filter((field) => keyOf(field) === key && items(field).length > 0);
  const last = lines.at(-1) as DraftField;
  draft.fields = draft.fields.filter((field) => keyOf(field) !== key || field === last);
  if (Array.isArray(last.value)) last.value = last.value.at(-1);
}

function mostRepeated(draft: Draft): string {
  const counts = new Map<string, number>();
  for (const field of draft.fields) {
    const key = keyOf(field);
    counts.set(key, (counts.get(key) ?? 0) + (Array.isArray(field.value) ? field.value.length : 1));
  }
  const [name = "", count = 0] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [];
  return `${printable(name)} (${count})`;
}

function names(fields: readonly DraftField[]): string {
  return fields
    .slice(0, 5)
    .map((field) => printable(String(field.name)))
    .join(", ");
}

function printable(name: string): string {
  return name.slice(0, 60).replace(/[^\x21-\x7e]/g, "?");
}
