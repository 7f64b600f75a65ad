import { isHttpDate } from "../../http/date.js";
import { SINGLE_VALUED_IN_HTTP } from "../../http/fields.js";
import { cleanValue, isToken } from "../../http/grammar.js";
import { type Draft, type DraftField, dropField, isPlainObject, keyOf, valuesOf } from "../draft.js";
import type { GuardedRules } from "./rule.js";

/** Field lines (RFC 9110, section 5; RFC 9112, section 5). */
export const fieldRules: GuardedRules = {
  "HF-17": (draft) => {
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
  // Node refuses such values where it can see them. These got past it: lists changed after they were set, objects
  // that stringify differently the second time.
  "HF-3": (draft) => {
    const texts = new Map<DraftField, string[]>();
    let found = "";
    for (const field of draft.fields) {
      const before = items(field);
      const read = before.map(text);
      const after = read.map((value) => cleanValue(value ?? ""));
      const differs = after.some((value, i) => value !== before[i] && typeof before[i] !== "number");
      if (!differs) continue;
      texts.set(field, after);
      if (after.some((value, i) => value !== read[i])) found ||= String(field.name);
    }
    if (texts.size === 0) return null;
    const repair = (d: Draft) => {
      for (const field of d.fields) {
        const values = texts.get(field);
        if (values !== undefined) field.value = Array.isArray(field.value) ? values : values[0];
      }
    };
    if (found !== "") return { found: `The value of ${printable(found)} holds what no field value may.`, repair };
    repair(draft); // true, a Date, a URL and the like: their text is all that was ever meant
    return null;
  },
  "HF-1": (draft) => {
    // Node throws for these; only HTTP/2 and hand-made arrays reach this point.
    const bad = draft.fields.filter((field) => typeof field.name !== "string" || !isToken(field.name));
    if (bad.length === 0 || draft.version !== "2.0") return null;
    return {
      found: `${names(bad)} is no field name.`,
      repair: (d) => {
        d.fields = d.fields.filter((field) => isToken(String(field.name)));
      },
    };
  },
  "HF-10": (draft) => {
    const seen = new Set<string>();
    const again = new Set<string>();
    for (const field of draft.fields) {
      const key = keyOf(field);
      if (!SINGLE_VALUED_IN_HTTP.has(key) || items(field).length === 0) continue;
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
  "HF-20": (draft) => {
    let lines = 4; // Date, Connection, Keep-Alive and framing are Node's own
    for (const field of draft.fields) lines += Array.isArray(field.value) ? field.value.length : 1;
    if (lines <= draft.maxFieldLines) return null;
    return {
      found: `The app sent about ${lines} field lines, and the edge takes ${draft.maxFieldLines}: mostly ${mostRepeated(draft)}.`,
    };
  },
  "MD-1": (draft) => {
    const dates = valuesOf(draft, "date");
    const isNone = dates.some((value) => !isHttpDate(String(value).trim()));
    if (!isNone && (draft.addsDate || draft.status < 200 || dates.length > 0)) return null;
    return {
      found: isNone ? "The app sent a Date that is no date." : "The app took the Date field away.",
      repair: (d) => {
        dropField(d, "date");
        d.needsDate = d.status >= 200;
      },
    };
  },
};

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

/** Text of a value, read once: that of an object may be another one the next time; null where it throws. */
function text(value: unknown): string | null {
  try {
    return typeof value === "string" ? value : String(value);
  } catch {
    return null;
  }
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
