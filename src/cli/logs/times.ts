/** A time of a log line. */
export interface LogTime {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The time on the clock of whoever wrote it, as if that were UTC; where that is known. */
  readonly wall?: number;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const COMMON = /^(\d\d)\/([A-Z][a-z]{2})\/(\d{4}):(\d\d):(\d\d):(\d\d)(\.\d+)?(?: ([+-])(\d\d)(\d\d))?$/;
const NGINX_ERROR = /^(\d{4})\/(\d\d)\/(\d\d) (\d\d):(\d\d):(\d\d)$/;
const ZONE = /([+-])(\d\d):?(\d\d)$/;
const ISO = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/;

/**
 * Reads a time as pino, nginx, Apache and HAProxy write it: a number since 1970 in any unit, ISO 8601,
 * `25/Nov/2026:10:00:00 +0000`, `2026/11/25 10:00:00`. One without a zone is taken for the zone of this machine.
 */
export function parseTime(value: unknown): LogTime | null {
  if (typeof value === "number") return sinceEpoch(value);
  if (typeof value !== "string" || value.length > 40) return null;
  if (ISO.test(value)) {
    const at = Date.parse(value);
    if (Number.isNaN(at)) return null;
    const [, sign, hours, minutes] = ZONE.exec(value) ?? [];
    if (hours === undefined) return value.endsWith("Z") ? { at, wall: at } : { at };
    const offset = (Number(hours) * 60 + Number(minutes)) * 60_000;
    return { at, wall: sign === "-" ? at - offset : at + offset };
  }
  return common(value) ?? nginxError(value) ?? (/^\d+(?:\.\d+)?$/.test(value) ? sinceEpoch(Number(value)) : null);
}

/** Seconds, milliseconds, micro- or nanoseconds: each has a size of its own for this century. */
function sinceEpoch(value: number): LogTime | null {
  if (!(value > 1e8) || value > 1e20) return null;
  if (value < 1e11) return { at: Math.round(value * 1_000) };
  if (value < 1e14) return { at: value };
  return { at: Math.round(value < 1e17 ? value / 1e3 : value / 1e6) };
}

function common(value: string): LogTime | null {
  const match = COMMON.exec(value);
  if (match === null) return null;
  const [, day, month, year, hour, minute, second, fraction, sign, hours, minutes] = match;
  const ms = fraction === undefined ? 0 : Math.round(Number(fraction) * 1_000);
  const parts = [Number(year), MONTHS.indexOf(month as string), Number(day)] as const;
  const clock = [Number(hour), Number(minute), Number(second), ms] as const;
  if (parts[1] === -1) return null;
  const wall = Date.UTC(...parts, ...clock);
  if (sign === undefined) return { at: new Date(...parts, ...clock).getTime(), wall };
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000;
  return { at: sign === "-" ? wall + offset : wall - offset, wall };
}

function nginxError(value: string): LogTime | null {
  const match = NGINX_ERROR.exec(value);
  if (match === null) return null;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const at = new Date(year, month - 1, day, hour, minute, second).getTime();
  return { at, wall: Date.UTC(year, month - 1, day, hour, minute, second) };
}
