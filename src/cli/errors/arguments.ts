import { InvalidArgumentError } from "commander";
import { parseSpan } from "../../cloudflare/analytics/span.js";
import { printable } from "../printable.js";

/** Reads a time: a span back from now, such as `24h`, or ISO 8601. */
export function pointInTime(value: string): Date {
  const span = parseSpan(value);
  if (span !== null && span > 0) return new Date(Date.now() - span);
  const at = /^\d{4}-\d\d-\d\d/.test(value) ? Date.parse(value) : Number.NaN;
  if (!Number.isNaN(at)) return new Date(at);
  throw new InvalidArgumentError(
    `It must be a span back from now, such as 90m, 24h or 7d, or a time such as 2026-11-25T10:00:00Z; got "${printable(value, 60)}".`,
  );
}

/** Reads statuses of the edge, separated by commas. */
export function statusList(value: string): number[] {
  const statuses = value.split(",").map((part) => part.trim());
  const bad = statuses.find((part) => !/^[1-5]\d\d$/.test(part));
  if (bad === undefined) return [...new Set(statuses.map(Number))];
  throw new InvalidArgumentError(`It must be statuses such as 520,524; got "${printable(value, 60)}".`);
}

/** Reads a whole number, 0 or more. */
export function wholeNumber(value: string): number {
  if (/^\d{1,9}$/.test(value)) return Number(value);
  throw new InvalidArgumentError(`It must be a whole number, 0 or more; got "${printable(value, 60)}".`);
}
