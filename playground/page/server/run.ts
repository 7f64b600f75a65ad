import { type Cause, delay } from "../../causes/cause.js";
import { ALL_CAUSES } from "../../causes/index.js";
import { confirmed, type Seen, worst } from "../../client/seen.js";
import { provoke } from "../../probes.js";
import { epochMs } from "../../process/messages.js";
import { newRay } from "../../process/rays.js";
import type { RequestForm, SideResult, Verdict } from "../shared/model.js";
import { incidentViews } from "./incident-views.js";
import { Observation } from "./observation.js";
import { eventsOf } from "./run-events.js";
import type { Actor, Stage } from "./stage.js";
import { timelineOf } from "./timeline.js";
import { deceived, isAsClaimed, verdictOf } from "./verdict.js";
import { type Visit, Visitor } from "./visitor.js";
import { type Content, visitorView } from "./visitor-view.js";
import { type ReadConnection, readConnection, seenOnWire, wireView } from "./wire.js";

/** Connections whose octets are shown; a burst opens a hundred. */
const MAX_CONNECTIONS = 4;
/** After the last answer, octets and closes may still be on their way. */
const LINGER_MS = 60;
/** A closed connection has left the edge's pool after that. */
const DROP_MS = 30;

/** What a run found on one side, and the content that its visitor got. */
export interface SideFindings {
  readonly result: SideResult;
  readonly content: Content;
  /** What each visitor got. */
  readonly seen: readonly Seen[];
}

export function causeNamed(name: string): Cause | undefined {
  return ALL_CAUSES.find((cause) => cause.name === name);
}

/** Path of the request that shows what a cause does: a deploy needs no route of its own. */
export function routeOf({ name, probe }: Cause): string {
  return probe === "deploy" ? "/slow" : `/${name}`;
}

/** Provokes a cause against one origin server, and gathers everything that was to be seen of it. */
export async function runOn(actor: Actor, stage: Stage, cause: Cause, form: RequestForm): Promise<SideFindings> {
  const { origin, relay, side } = actor;
  const isDirect = cause.probe === "around" || form.way === "direct" || !stage.hasEdge;
  const edgePort = isDirect ? undefined : stage.edgePort;
  const { name } = origin;
  const destination = { name, port: relay.port, signal: (signal: NodeJS.Signals) => origin.signal(signal) };
  const options = { form, edgePort, newRay, readTimeoutMs: stage.readTimeoutMs };
  const visitor = new Visitor({ ...options, path: routeOf(cause) });
  const warmUp = new Visitor({ ...options, path: "" });

  await origin.settled();
  relay.dropConnections();
  await delay(DROP_MS);
  const observation = new Observation(origin);
  const recording = relay.record();
  const start = epochMs();
  if (form.keptAlive && !isDirect) await warmUp.ask(destination, { path: "/" });
  const sightings = await provoke(cause, visitor, destination);
  const end = epochMs();
  await delay(LINGER_MS);
  await observation.stop(cause.probe === "deploy");
  relay.stopRecording();

  observation.keepOnly(new Set([...warmUp.visits, ...visitor.visits].map(({ sighting }) => sighting.ray)));
  const connections = [...recording.connections.values()].map(readConnection);
  const seen = sightings.map(({ seen, ray }) => strict(seen, ray, connections, isDirect));
  const shown = worst(seen);
  const worstSighting = sightings[seen.indexOf(shown)];
  const visit = visitor.visits.find(({ sighting }) => sighting === worstSighting) as Visit;
  const { view, content } = visitorView(visit, shown, seen, form, isDirect);
  const verdict = judged(cause, shown, content);
  const { ray } = visit.sighting;
  const wire = shownFirst(connections, ray).slice(0, MAX_CONNECTIONS);
  const { incidents, log, death } = observation;
  const client = isDirect ? "client" : "edge";
  const text = `the visitor has ${view.crowd === null ? verdict.label : `answers to ${view.crowd}`}`;
  const answered = { at: end, lane: "edge", event: "answered", text, isBad: verdict.kind !== "complete" } as const;
  const result: SideResult = {
    name,
    address: `127.0.0.1:${origin.port}`,
    verdict,
    asClaimed: isAsClaimed(cause, side, verdict, incidents.length),
    visitor: view,
    wire: wire.map((connection) => wireView(connection, client)),
    moreConnections: connections.length - wire.length,
    timeline: timelineOf(start, [
      ...eventsOf({ side, observation, recording, ray, carrier: wire[0], client }),
      answered,
    ]),
    log,
    incidents: incidentViews(incidents),
    death,
  };
  return { result, content, seen };
}

function judged(cause: Cause, shown: Seen, { octets }: Content): Verdict {
  const verdict = verdictOf(shown);
  const isDeceived = verdict.kind === "complete" && cause.isDeceived?.(octets.toString("utf8")) === true;
  return isDeceived ? deceived(verdict) : verdict;
}

/** workerd takes more than an edge has to: what it passes on, the strict parser looks at again, on the wire. */
function strict(seen: Seen, ray: string, connections: readonly ReadConnection[], isDirect: boolean): Seen {
  if (isDirect || seen.kind !== "complete") return seen;
  const onWire = seenOnWire(connections, ray);
  return onWire === undefined ? seen : confirmed(seen, onWire);
}

/** The connection of the request that is shown stands first. */
function shownFirst(connections: readonly ReadConnection[], ray: string): ReadConnection[] {
  const carries = ({ requests }: ReadConnection): boolean => requests.some((request) => request.ray === ray);
  return [...connections.filter(carries), ...connections.filter((connection) => !carries(connection))];
}
