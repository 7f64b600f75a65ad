import type { IncidentNote } from "../../process/messages.js";
import type { FeedIncident } from "../shared/model.js";
import type { Stage } from "./stage.js";

const KEPT_INCIDENTS = 200;

type Told = Pick<IncidentNote, "code" | "action" | "prevented" | "message" | "ray" | "method" | "url">;

/** Every incident of every guard on the stage, and how often the edge would have shown a page of its own. */
export class IncidentFeed {
  readonly recent: FeedIncident[] = [];
  count = 0;
  /** Errors of the edge that did not happen. */
  prevented = 0;
  #listener: (incident: FeedIncident) => void = () => {};

  constructor({ actors }: Stage) {
    for (const { origin } of actors) {
      origin.on("message", (message) => {
        if (message.type === "incident") this.add(origin.name, message);
      });
    }
  }

  onIncident(listener: (incident: FeedIncident) => void): void {
    this.#listener = listener;
  }

  /** @param origin - name of the origin server */
  add(origin: string, { code, action, prevented, message, ray, method, url }: Told): void {
    this.count++;
    // As GuardStats counts it; that starts again with each process.
    if (prevented !== null && (action === "replaced" || action === "repaired")) this.prevented++;
    const incident = { id: this.count, at: Date.now(), origin, code, action, prevented, message, ray, method, url };
    this.recent.push(incident);
    if (this.recent.length > KEPT_INCIDENTS) this.recent.shift();
    this.#listener(incident);
  }
}
