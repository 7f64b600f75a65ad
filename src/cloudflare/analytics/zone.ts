import { RayguardError } from "../../errors.js";
import type { Transport, Variables } from "./transport.js";

export type ZoneData = Readonly<Record<string, unknown>>;

/**
 * Asks about one zone.
 * @throws {RayguardError} `ERR_RAYGUARD_ANALYTICS_ZONE` where the answer knows no such zone
 */
export async function askZone(transport: Transport, query: string, variables: Variables): Promise<ZoneData> {
  const data = (await transport.ask(query, variables)) as { viewer?: { zones?: unknown } };
  const zones = data.viewer?.zones;
  if (!Array.isArray(zones))
    throw new RayguardError("ERR_RAYGUARD_ANALYTICS_UNAVAILABLE", "The answer has no list of zones.");
  const [zone] = zones;
  if (zone === undefined || zone === null) {
    // A token that does not reach the zone gets an empty list, and no error.
    const { zone: id } = variables;
    throw new RayguardError(
      "ERR_RAYGUARD_ANALYTICS_ZONE",
      `The token does not reach zone ${id}, or there is no such zone. Check the zone ID, and that the token includes this zone.`,
    );
  }
  return zone as ZoneData;
}

/** The rows of one node of an answer. */
export function rowsOf(zone: ZoneData, alias: string): ZoneData[] {
  const rows = zone[alias];
  return Array.isArray(rows) ? (rows as ZoneData[]) : [];
}
