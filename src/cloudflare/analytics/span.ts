const UNITS_MS = { w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 } as const;

/** Reads a span such as `24h`, `90m` or `1w1d`, in milliseconds; null for anything else. */
export function parseSpan(text: string): number | null {
  if (!/^(?:\d{1,9}[wdhms])+$/.test(text)) return null;
  let ms = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)([wdhms])/g)) ms += Number(count) * UNITS_MS[unit as "w"];
  return ms;
}

/** Writes a span in its largest whole units, such as `1w1d`. @param ms - milliseconds */
export function formatSpan(ms: number): string {
  let left = Math.max(1_000, Math.round(ms / 1_000) * 1_000);
  let text = "";
  for (const [unit, size] of Object.entries(UNITS_MS)) {
    const count = Math.floor(left / size);
    if (count > 0) text += `${count}${unit}`;
    left -= count * size;
  }
  return text;
}
