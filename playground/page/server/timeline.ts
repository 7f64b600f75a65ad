import type { IncidentNote, TraceNote } from "../../process/messages.js";
import type { TimelineEvent } from "../shared/model.js";
import type { WireEvent } from "./recording.js";

const MAX_EVENTS = 60;
const MIN_HOLD_MS = 10;

/** Who asks the origin server: the edge, or the strict client in its place. */
export type Client = "edge" | "client";

/** An event with its time since the epoch. */
export interface TimedEvent extends Omit<TimelineEvent, "ms"> {
  readonly at: number;
}

/** Everything that was seen of one run on one side, in order, counted from `start`. */
export function timelineOf(start: number, events: readonly TimedEvent[]): TimelineEvent[] {
  const sorted = events.toSorted((a, b) => a.at - b.at);
  const shown = sorted.slice(0, MAX_EVENTS);
  const rest = sorted.length - shown.length;
  const timeline = shown.map(({ at, ...event }) => ({ ms: Math.max(0, Math.round((at - start) * 10) / 10), ...event }));
  if (rest > 0) {
    const ms = timeline.at(-1)?.ms ?? 0;
    timeline.push({ ms, lane: "wire", event: "more", text: `${rest} more events`, isBad: false });
  }
  return timeline;
}

const TRACE_EVENTS: Readonly<Record<TraceNote["event"], string>> = {
  received: "received",
  written: "written",
  ended: "ended",
  destroyed: "destroyed",
  "handed over": "finished",
};

export function appEvents(notes: readonly TraceNote[]): TimedEvent[] {
  return notes.map(({ at, event, text }) => ({
    at,
    lane: "app",
    event: TRACE_EVENTS[event],
    text,
    isBad: event === "destroyed",
  }));
}

/** What the guard did: its incidents, and how long it held back what the app had written for the request in question. */
export function guardEvents(
  incidents: readonly (IncidentNote & { at: number })[],
  traces: readonly TraceNote[],
  ray: string,
  committedAt: number | undefined,
): TimedEvent[] {
  const events: TimedEvent[] = incidents.map(({ at, code, action }) => {
    return { at, lane: "guard", event: "incident", text: `${code}, ${action}`, isBad: false };
  });
  const written = traces.find((trace) => trace.ray.startsWith(ray) && /^(?:written|ended)$/.test(trace.event));
  // Whoever ends at once has nothing held back.
  if (written?.event !== "written" || committedAt === undefined) return events;
  const isReplaced = incidents.some((one) => one.ray === ray && one.action === "replaced");
  const ms = committedAt - written.at;
  // Less than that is the way to the relay, no hold.
  if (!isReplaced && ms < MIN_HOLD_MS) return events;
  const text = `what the app wrote is held back for ${Math.round(ms)} ms, then ${isReplaced ? "replaced" : "committed"}`;
  return [...events, { at: written.at + 0.05, lane: "guard", event: "held", text, isBad: false }];
}

/** What went over the wire: octets that came right behind each other in one direction are one event. */
export function wireEvents(events: readonly WireEvent[], client: Client): TimedEvent[] {
  const told: (TimedEvent & { connection: number; from: string; octets: number })[] = [];
  const answered = new Set<number>();
  for (const { at, connection, from, kind, octets } of events) {
    const last = told.findLast((one) => one.connection === connection);
    if (kind === "octets" && last?.octets && last.from === from && at - last.at < 50) {
      const sum = last.octets + octets;
      told[told.indexOf(last)] = { ...last, octets: sum, text: octetsText(from, sum, client) };
      continue;
    }
    const common = { at, lane: "wire", connection, from, octets } as const;
    if (kind === "octets") {
      const isFirst = from === "origin" && !answered.has(connection);
      if (from === "origin") answered.add(connection);
      const event = from === "edge" ? "request" : isFirst ? "committed" : "octets";
      told.push({ ...common, event, text: octetsText(from, octets, client), isBad: false });
    } else {
      const isBad =
        kind === "reset" || kind === "refused" || (kind === "end" && from === "origin" && !answered.has(connection));
      told.push({
        ...common,
        event: kind === "end" ? "closed" : kind,
        text: TEXTS[kind][from].replace("the edge", `the ${client}`),
        isBad,
      });
    }
  }
  return told.map(({ at, lane, event, text, isBad }) => ({ at, lane, event, text, isBad }));
}

function octetsText(from: string, octets: number, client: Client): string {
  return from === "edge" ? `the ${client} sends ${octets} octets` : `${octets} octets leave the origin server`;
}

const TEXTS = {
  opened: { edge: "the edge opens a connection", origin: "" },
  end: { edge: "the edge closes its side", origin: "the origin server closes" },
  reset: { edge: "the edge resets the connection", origin: "the origin server resets the connection" },
  refused: { edge: "", origin: "connection refused: nobody listens (521 at Cloudflare)" },
} as const;
