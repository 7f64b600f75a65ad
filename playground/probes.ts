import type { ExchangeRequest } from "rayguard/testing";
import { type Cause, delay, type Probe } from "./causes/cause.js";
import { IDLE_CLOSE_MS } from "./causes/connection.js";
import { BURST, FORGED_ADDRESS } from "./causes/process.js";
import type { Destination, Sighting, Way } from "./client/way.js";

type Run = (way: Way, destination: Destination, path: string) => Promise<readonly Sighting[]>;

// POST where a failure must reach the visitor: a lost GET on a connection used before is sent again, by workerd as by
// the edge, while a POST may have done its work already.
const SLOW: ExchangeRequest = { method: "POST", path: "/slow" };

const PROBES: Record<Probe, Run> = {
  request: one({}),

  async bystander(way, destination, path) {
    const bystander = way.ask(destination, SLOW);
    await delay(100);
    const culprit = await way.ask(destination, { path });
    return [culprit, await bystander];
  },

  next: (way, destination, path) => way.askInTurn(destination, [{ method: "POST", path }, SLOW], 0),

  idle: (way, destination, path) => {
    const requests = [
      { method: "POST", path },
      { method: "POST", path: "/slow" },
    ] as const;
    return way.askInTurn(destination, requests, IDLE_CLOSE_MS - 50);
  },

  upgrade: one({
    headers: {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Key": "cmF5Z3VhcmQgcGxheWdyZA==",
      "Sec-WebSocket-Version": "13",
    },
  }),

  expect: one({ method: "POST", headers: { Expect: "100-continue" }, body: "content" }),

  async burst(way, destination, path) {
    const sightings = await Promise.all(Array.from({ length: BURST.requests }, () => way.ask(destination, { path })));
    // Whoever was refused comes first, whatever the order in which they were served.
    return sightings.toSorted((a, b) => b.seen.status - a.seen.status);
  },

  async deploy(way, destination) {
    const early = Array.from({ length: 4 }, () => way.ask(destination, SLOW));
    await delay(100);
    destination.signal("SIGTERM");
    await delay(20);
    // Whoever comes now meets a process that is about to end, or that is gone.
    return Promise.all([...early, way.ask(destination, SLOW)]);
  },

  around: one({ headers: { "CF-Connecting-IP": FORGED_ADDRESS } }),

  large: one({ headers: { Cookie: `basket=${"x".repeat(20_000)}` } }),
};

/** Provokes a cause; returns what every visitor concerned got. */
export function provoke(cause: Cause, way: Way, destination: Destination): Promise<readonly Sighting[]> {
  return PROBES[cause.probe ?? "request"](way, destination, `/${cause.name}`);
}

function one(request: ExchangeRequest): Run {
  return async (way, destination, path) => [await way.ask(destination, { ...request, path })];
}
