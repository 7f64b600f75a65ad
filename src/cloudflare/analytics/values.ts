/** A number of an answer, or null. */
export function numberOf(value: unknown): number | null {
  // 64-bit numbers may come as text.
  const number = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : null;
}

/** A text of an answer, or null. */
export function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
