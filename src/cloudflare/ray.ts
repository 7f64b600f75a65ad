/** A Ray ID as the origin server receives it: 16 hexadecimal digits and, usually, the data centre. */
export interface Ray {
  readonly id: string;
  /** Three-letter code of the data centre that connected to the origin server. */
  readonly colo: string | null;
}

const RAY = /^[0-9a-f]{16}(?:-[a-z]{3})?$/i;

/**
 * Reads a CF-RAY field value; `null` for anything that is not one, so that a forged value never reaches a log.
 * @see https://developers.cloudflare.com/fundamentals/reference/cloudflare-ray-id/
 */
export function parseRay(value: unknown): Ray | null {
  // The length check keeps hostile values away from the expression.
  if (typeof value !== "string" || (value.length !== 20 && value.length !== 16)) return null;
  if (!RAY.test(value)) return null;
  return { id: value.slice(0, 16).toLowerCase(), colo: value.length === 20 ? value.slice(17).toUpperCase() : null };
}
