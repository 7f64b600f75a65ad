import { RayguardError } from "./errors.js";
import type { Logger } from "./report/log.js";

/** Longest delay a Node timer can have. */
export const MAX_TIMER_MS = 2_147_483_647;

/** A deadline in milliseconds, or `false`. @throws {RayguardError} `ERR_RAYGUARD_INVALID_ARGUMENT` */
export function checkDeadline(value: unknown): number | false {
  if (value === false) return false;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= MAX_TIMER_MS) return value;
  throw new RayguardError(
    "ERR_RAYGUARD_INVALID_ARGUMENT",
    `deadline() takes a whole number of milliseconds from 1 to ${MAX_TIMER_MS}, or false; got ${show(value)}.`,
  );
}

/** Whether this can log: any pino-like logger. */
export function isLogger(value: unknown): value is Logger {
  return (
    value !== null &&
    (typeof value === "object" || typeof value === "function") &&
    (["info", "warn", "error"] as const).every((m) => typeof (value as Record<string, unknown>)[m] === "function")
  );
}

/** The members of an object of options, each under a name that is known. @throws `ERR_RAYGUARD_UNKNOWN_OPTION` too */
export function membersOf(
  value: unknown,
  name: string,
  expected: string,
  known: readonly string[],
): Record<string, unknown> {
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw invalid(name, expected, value);
  const unknown = Object.keys(value).find((member) => !known.includes(member));
  if (unknown === undefined) return value as Record<string, unknown>;
  const path = name === "options" ? unknown : `${name}.${unknown}`;
  const message = `There is no option "${path}". Known options: ${known.join(", ")}.`;
  throw new RayguardError("ERR_RAYGUARD_UNKNOWN_OPTION", message);
}

/** A whole number, or its default. */
export function whole(
  value: unknown,
  name: string,
  fallback: number,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): number {
  if (value === undefined) return fallback;
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
  const unit = name.endsWith("Ms") ? "a whole number of milliseconds" : "a whole number";
  throw invalid(
    name,
    most === Number.MAX_SAFE_INTEGER ? `${unit}, ${least} or more` : `${unit} from ${least} to ${most}`,
    value,
  );
}

/** A part of a whole, over 0 and up to 1, or `false`, or its default. */
export function ratio<T>(value: unknown, name: string, fallback: T): T | number | false {
  if (value === undefined) return fallback;
  if (value === false || (typeof value === "number" && value > 0 && value <= 1)) return value;
  throw invalid(name, "a number over 0 and up to 1, or false", value);
}

/** One of a few words, or its default. */
export function oneOf<T extends string>(value: unknown, name: string, values: readonly T[], fallback: T): T {
  if (value === undefined) return fallback;
  if (values.includes(value as T)) return value as T;
  throw invalid(name, values.map((v) => `"${v}"`).join(" or "), value);
}

/** Says what an option takes, and what it got. */
export function invalid(name: string, expected: string, value: unknown): RayguardError {
  return new RayguardError("ERR_RAYGUARD_INVALID_OPTION", `${name} must be ${expected}; got ${show(value)}.`);
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  if (typeof value === "function") return "a function";
  if (value !== null && typeof value === "object") return Array.isArray(value) ? "an array" : "an object";
  return String(value);
}
