import type { IncomingMessage } from "node:http";
import { type Cause, delay } from "./cause.js";

/** Documentation address (RFC 5737) that a client claims to be, without being it. */
export const FORGED_ADDRESS = "198.51.100.66";

/** What a guarded origin server makes of a client that went around the edge and forged CF-Connecting-IP. */
export const GUARDED_ABOUT_FORGED = {
  told: { clientIp: "127.0.0.1", verified: false },
  sentence:
    "Does not believe it: req.rayguard.clientIp is the address of the peer, verified is false, and the log has the claim as claimedIp.",
} as const;

/** Requests that one burst sends, and how many the pool behind the app serves at a time, for how long each. */
export const BURST = { requests: 60, pool: 2, holdMs: 100 } as const;

let free = BURST.pool;
const waiting: (() => void)[] = [];

/** What happens to a whole process, or comes from somebody who is no visitor: only the page shows these. */
export const processCauses: readonly Cause[] = [
  {
    name: "crash",
    title: "crash: exception nobody catches, another request in flight",
    probe: "bystander",
    handler() {
      setTimeout(() => {
        throw new Error("a callback without a try");
      }, 10);
    },
  },
  {
    name: "deploy",
    title: "deploy: SIGTERM while requests are under way",
    probe: "deploy",
  },
  {
    name: "overload",
    title: `overload: ${BURST.requests} requests at once, a pool of ${BURST.pool}`,
    probe: "burst",
    async handler(_request, response) {
      if (free > 0) free--;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      await delay(BURST.holdMs);
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
      response.end("a row of the database");
    },
  },
  {
    name: "spoofed",
    title: "spoofed client: CF-Connecting-IP forged around the edge",
    probe: "around",
    handler(request, response) {
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify(believedClient(request)));
    },
    isDeceived: (content) => {
      // Nothing was told where the answer has no content: to a HEAD.
      if (content === "") return false;
      const { clientIp, verified } = JSON.parse(content) as { clientIp: unknown; verified?: boolean };
      return clientIp === FORGED_ADDRESS && verified !== false;
    },
  },
];

/** What the app takes the client for: a bare one has nothing but the field. */
function believedClient(request: IncomingMessage & { rayguard?: IncomingMessage["rayguard"] }): object {
  if (request.rayguard === undefined) return { clientIp: request.headers["cf-connecting-ip"] };
  const { clientIp, verified } = request.rayguard;
  return { clientIp, verified };
}
