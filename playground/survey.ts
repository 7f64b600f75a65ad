import { CAUSES, type Cause } from "./causes/index.js";
import { confirmed, type Seen, worst } from "./client/seen.js";
import type { Way } from "./client/way.js";
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
    findings.set(cause, await find(cause, origin, ways));
  };
  const inTurn = CAUSES.filter(({ waits }) => !waits);
  for (const cause of inTurn) {
    await look(cause);
    // The process may have died of it.
    await origin.settled();
  }
  await Promise.all(CAUSES.filter(({ waits }) => waits).map(look));
  tell(findings.size, "done");
  return findings;
}

async function find(cause: Cause, origin: OriginProcess, { edge, direct }: Ways): Promise<Finding> {
  const sightings = [...(await provoke(cause, edge ?? direct, origin))];
  let seen = worst(sightings.map((sighting) => sighting.seen));
  // workerd takes more than an edge has to: surplus octets, Content-Length twice. What it passes on, the strict client
  // looks at again; only where one request is enough, since the rest is no question of octets.
  if (edge !== undefined && seen.kind === "complete" && (cause.probe ?? "request") === "request") {
    const again = await provoke(cause, direct, origin);
    seen = confirmed(seen, worst(again.map((sighting) => sighting.seen)));
    sightings.push(...again);
  }
  const codes = sightings.flatMap(({ ray }) => origin.codesOf(ray));
  return { seen, codes: [...new Set(codes)] };
}
