import { CAUSES, type Cause } from "./causes/index.js";
import { confirmed, type Seen, worst } from "./client/seen.js";
import type { Sighting, Way } from "./client/way.js";
import { provoke } from "./probes.js";
import type { OriginProcess } from "./process/origin-process.js";

/** What one cause does to one origin server. */
export interface Finding {
  readonly seen: Seen;
  /** Codes of the incidents that the guard logged for the requests concerned. */
  readonly codes: readonly string[];
}

/** The ways that requests take; `edge` is missing where there is no workerd. */
export interface Ways {
  readonly edge: Way | undefined;
  readonly direct: Way;
}

/** Provokes every cause against one origin server, and tells the progress. */
export async function survey(
  origin: OriginProcess,
  ways: Ways,
  tell: (done: number, title: string) => void,
): Promise<ReadonlyMap<Cause, Finding>> {
  const findings = new Map<Cause, Finding>();
  const look = async (cause: Cause) => {
    tell(findings.size, cause.title);
    const before = origin.incidents.length;
    const sightings = await see(cause, origin, ways);
    // The process may have died of it, and news of an incident may be on its way.
    await origin.settled();
    await origin.flush();
    const rays = sightings.map(({ ray }) => ray);
    const own = origin.incidents.filter(({ ray }, i) => {
      // A request that could not be read has no Ray ID; it is known by its time, where causes come one by one.
      return ray === null ? !cause.waits && i >= before : rays.includes(ray);
    });
    const seen = worst(sightings.map((sighting) => sighting.seen));
    findings.set(cause, { seen, codes: [...new Set(own.map(({ code }) => code))] });
  };
  for (const cause of CAUSES) if (!cause.waits) await look(cause);
  await Promise.all(CAUSES.filter(({ waits }) => waits).map(look));
  tell(findings.size, "done");
  return findings;
}

async function see(cause: Cause, origin: OriginProcess, { edge, direct }: Ways): Promise<readonly Sighting[]> {
  const sightings = await provoke(cause, edge ?? direct, origin);
  const seen = worst(sightings.map((sighting) => sighting.seen));
  // workerd takes more than an edge has to: surplus octets, Content-Length twice. What it passes on, the strict client
  // looks at again; only where one request is enough, since the rest is no question of octets.
  if (edge === undefined || seen.kind !== "complete" || (cause.probe ?? "request") !== "request") return sightings;
  const again = await provoke(cause, direct, origin);
  return [...sightings, ...again.map((sighting) => ({ ...sighting, seen: confirmed(seen, sighting.seen) }))];
}
