import { type ExchangeRequest, exchange } from "rayguard/testing";
import { delay } from "../causes/cause.js";
import { seenAtEdge } from "./seen.js";
import type { Destination, Sighting, Way } from "./way.js";

/** Longer than any read timeout of the edge, which answers every request. */
const PATIENCE_MS = 20_000;

/** Asks as a visitor does, through the edge. */
export class EdgeWay implements Way {
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  async ask({ name }: Destination, request: ExchangeRequest): Promise<Sighting> {
    const path = `/${name}${request.path}`;
    const { responses } = await exchange({ port: this.#port }, { ...request, path }, { timeoutMs: PATIENCE_MS });
    const [response] = responses;
    return { seen: seenAtEdge(response), ray: response?.field("CF-RAY")?.slice(0, 16) ?? "" };
  }

  async askInTurn(
    destination: Destination,
    [first, second]: readonly [ExchangeRequest, ExchangeRequest],
    pauseMs: number,
  ): Promise<readonly [Sighting, Sighting]> {
    const before = await this.ask(destination, first);
    await delay(pauseMs);
    // workerd takes the connection that it used last out of its pool.
    return [before, await this.ask(destination, second)];
  }
}
