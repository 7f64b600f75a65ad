import { PassThrough, type Readable } from "node:stream";
import type { Pulse } from "../shared/model.js";
import type { IncidentFeed } from "./incident-feed.js";
import type { Outcomes } from "./outcomes.js";
import type { ProcessWatch } from "./process-watch.js";
import type { Traffic } from "./traffic.js";

const INTERVAL_MS = 1_000;
const MAX_READERS = 20;

interface Sources {
  readonly incidents: IncidentFeed;
  readonly outcomes: Outcomes;
  readonly watch: ProcessWatch;
  readonly traffic: Traffic;
}

/** Server-sent events: `incident` as it happens, `pulse` once a second. */
export class Feed {
  readonly #sources: Sources;
  readonly #readers = new Set<PassThrough>();
  readonly #timer: NodeJS.Timeout;

  constructor(sources: Sources) {
    this.#sources = sources;
    sources.incidents.onIncident((incident) => this.#tell("incident", incident));
    this.#timer = setInterval(() => {
      const since = Math.floor(Date.now() / 1_000) - 5;
      this.#tell("pulse", this.#pulse(since));
      // A page that was closed leaves no traffic behind.
      if (this.#readers.size === 0) sources.traffic.stop();
    }, INTERVAL_MS);
  }

  /** Opens the stream of one reader, who first gets what happened so far; `undefined` where there are too many. */
  open(): Readable | undefined {
    if (this.#readers.size >= MAX_READERS) return undefined;
    const reader = new PassThrough();
    this.#readers.add(reader);
    reader.on("close", () => this.#readers.delete(reader));
    reader.write(message("pulse", this.#pulse(0)));
    reader.write(message("incidents", this.#sources.incidents.recent));
    return reader;
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const reader of this.#readers) reader.end();
  }

  #pulse(since: number): Pulse {
    const { incidents, outcomes, watch, traffic } = this.#sources;
    return {
      processes: watch.views(),
      prevented: incidents.prevented,
      incidents: incidents.count,
      bareFailures: outcomes.bareFailures,
      requests: outcomes.requests,
      isTraffic: traffic.isOn,
      outcomes: outcomes.buckets(since),
    };
  }

  #tell(event: string, data: unknown): void {
    const octets = message(event, data);
    for (const reader of this.#readers) {
      // A reader that does not read is not worth the memory; its browser connects again.
      if (reader.writableLength > 1_000_000) reader.destroy();
      else reader.write(octets);
    }
  }
}

function message(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
