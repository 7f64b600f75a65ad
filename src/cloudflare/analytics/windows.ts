/** A time range, from inclusive to exclusive, in milliseconds since 1970. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/**
 * Cuts a range into windows of at most `longestMs`, oldest first. They touch and never overlap, so that no request is
 * counted twice.
 */
export function windowsOf({ from, to }: Range, longestMs: number): Range[] {
  const windows: Range[] = [];
  for (let start = from; start < to; start += longestMs)
    windows.push({ from: start, to: Math.min(start + longestMs, to) });
  return windows;
}

/** Whole seconds, as the data has them: a window that ends within one would split it. */
export function wholeSeconds({ from, to }: Range): Range {
  return { from: Math.floor(from / 1_000) * 1_000, to: Math.ceil(to / 1_000) * 1_000 };
}

/** A time as the API takes it. */
export function apiTime(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}
