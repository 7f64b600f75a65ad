/** A Ray ID as the origin server receives it: 16 hexadecimal digits and, usually, the data centre. */
export interface Ray {
  readonly id: string;
  /** Three-letter code of the data centre that connected to the origin server. */
  readonly colo: string | null;
}

const RAY = /^([0-9a-f]{16})(?:-([A-Z]{3}))?$/i;

/**
 * Reads a CF-RAY field value; `null` for anything that is not one, so that a forged value never reaches a log.
 * @see https://developers.cloudflare.com/fundamentals/reference/cloudflare-ray-id/
 */
export function parseRay(value: unknown): Ray | null {
  // The length check keeps hostile values away from the expression.
  if (typeof value !== "string" || (value.length !== 20 && value.length !== 16)) return null;
  const match = RAY.exec(value);
  if (match === null) return null;
  return { id: (match[1] as string).toLowerCase(), colo: match[2]?.toUpperCase() ?? null };
}
