import type { RouteSettings, Settings, Terms } from "./options.js";

/** What holds for a request that has not come to where its guard is mounted: what holds without a guard. */
export const BESIDE: Terms = {
  direct: "allow",
  errorContent: undefined,
  gatewayStatus: "keep",
  lint: false,
};

/** The numbers of such a request: no deadline, and nobody's limits but those of the edge. */
export function besideOf({ edge, holdBackMs, holdBackOctets }: Settings): RouteSettings {
  return Object.freeze({
    firstByteDeadlineMs: false,
    idleDeadlineMs: false,
    recipientDeadlineMs: false,
    heartbeatMs: false,
    holdBackOctets,
    holdBackMs,
    maxHeaderSectionOctets: edge.maxHeaderSectionOctets,
    maxFieldLines: edge.maxFieldLines,
  });
}
