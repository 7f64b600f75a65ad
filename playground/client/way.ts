import type { ExchangeRequest } from "rayguard/testing";
import type { Seen } from "./seen.js";

/** Where a request goes to: an origin server, by its name at the edge and its own port. */
export interface Destination {
  readonly name: string;
  readonly port: number;
  /** Sends a signal to its process. */
  signal(signal: NodeJS.Signals): void;
}

/** What a visitor gets for one request, and the Ray ID (16 hexadecimal digits) that names the request in every log. */
export interface Sighting {
  readonly seen: Seen;
  readonly ray: string;
}

/** A way to an origin server: through the edge, or directly with the strict client. */
export interface Way {
  ask(destination: Destination, request: ExchangeRequest): Promise<Sighting>;
  /** Two requests on one connection to the origin server, the second `pauseMs` after the response to the first. */
  askInTurn(
    destination: Destination,
    requests: readonly [ExchangeRequest, ExchangeRequest],
    pauseMs: number,
  ): Promise<readonly [Sighting, Sighting]>;
}
