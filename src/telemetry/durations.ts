import { performance } from "../clock.js";
import type { Exchange } from "../exchange/exchange.js";

/**
 * Upper bounds of the buckets, in seconds: those of `http.server.request.duration`, and around the deadlines what tells
 * a response that came in time from one that did not: 95 is the default deadline, 100 and 125 are read timeouts of the edge.
 */
export const DURATION_BUCKETS_S = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 95, 100, 125,
];

/** How long a request has taken so far, in seconds. */
export function secondsOf(exchange: Exchange): number {
  return (performance.now() - exchange.startedAt) / 1_000;
}
