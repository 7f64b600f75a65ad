import type { IncomingMessage } from "node:http";
import { invalid, membersOf, whole } from "../option-checks.js";
import { checkNamed, type HealthCheck } from "./health-checks.js";

/** Options of the health check. */
export interface HealthOptions {
  /** Answers for the whole: every check must pass. @default "/health" */
  path?: string;
  /** Answers whether the process is alive; runs no check. */
  livePath?: string;
  /** Answers whether the process can take requests; runs every check. */
  readyPath?: string;
  /** Checks by name; more can be registered later. */
  checks?: Record<string, HealthCheck>;
  /** Longest time a check may take, in milliseconds. @default 2_000 */
  timeoutMs?: number;
  /** How long the result of the checks is reused, in milliseconds. @default 1_000 */
  cacheMs?: number;
  /** Who may see names, latencies and errors of the checks. @default false */
  details?: boolean | ((request: IncomingMessage) => boolean);
}

export const HEALTH_DEFAULTS = { path: "/health", timeoutMs: 2_000, cacheMs: 1_000, details: false } as const;

const PATHS = ["path", "livePath", "readyPath"] as const;
const KNOWN = [...PATHS, "checks", "timeoutMs", "cacheMs", "details"];

/**
 * Checks all of them where the options of a guard are: a program that is guarded from outside has no guard until it listens.
 * @throws {RayguardError} `ERR_RAYGUARD_UNKNOWN_OPTION`, `ERR_RAYGUARD_INVALID_OPTION`, `ERR_RAYGUARD_INVALID_ARGUMENT`
 */
export function checkHealth(value: unknown): false | HealthOptions {
  if (value === false) return false;
  const given: HealthOptions = membersOf(value, "health", "false or an object", KNOWN);
  const { checks = {}, timeoutMs, cacheMs, details = false, ...paths } = given;
  for (const name of PATHS) {
    const path: unknown = paths[name];
    if (path !== undefined && (typeof path !== "string" || !/^\/[\x21-\x7e]*$/.test(path) || path.includes("?")))
      throw invalid(`health.${name}`, "a path that starts with /", path);
  }
  whole(timeoutMs, "health.timeoutMs", HEALTH_DEFAULTS.timeoutMs, 1);
  whole(cacheMs, "health.cacheMs", HEALTH_DEFAULTS.cacheMs, 0);
  if (typeof details !== "boolean" && typeof details !== "function")
    throw invalid("health.details", "true, false or a function", details);
  if (checks === null || typeof checks !== "object") throw invalid("health.checks", "an object of functions", checks);
  for (const [name, check] of Object.entries(checks)) checkNamed(name, check);
  return given;
}
