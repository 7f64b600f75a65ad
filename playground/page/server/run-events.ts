import type { Side } from "../shared/model.js";
import type { Observation } from "./observation.js";
import type { Recording } from "./recording.js";
import { appEvents, type Client, guardEvents, type TimedEvent, wireEvents } from "./timeline.js";
import type { ReadConnection } from "./wire.js";

/** Connections of which the timeline tells; of a larger crowd it follows one from beginning to end. */
const MAX_TOLD = 8;

export interface Observed {
  readonly side: Side;
  readonly observation: Observation;
  readonly recording: Recording;
  /** Of the request that is shown. */
  readonly ray: string;
  /** The connection that carried it. */
  readonly carrier: ReadConnection | undefined;
  readonly client: Client;
}

/** Everything that was seen of a run on one side, in no order. */
export function eventsOf({ side, observation, recording, ray, carrier, client }: Observed): TimedEvent[] {
  const isCrowd = recording.connections.size > MAX_TOLD;
  const traces = observation.traces.filter((trace) => !isCrowd || trace.ray.startsWith(ray));
  const incidents = observation.incidents.filter((incident) => !isCrowd || incident.ray === ray);
  const id = carrier?.recorded.id;
  const octets = recording.events.filter(({ connection }) => !isCrowd || connection === id);
  const committed = recording.events.find(
    (one) => one.connection === id && one.from === "origin" && one.kind === "octets",
  );
  const guarded = side === "guarded" ? guardEvents(incidents, traces, ray, committed?.at) : [];
  return [...observation.events, ...guarded, ...appEvents(traces), ...wireEvents(octets, client)];
}
