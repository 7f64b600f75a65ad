// Started as a process of its own: requests that nobody answers, by the thousand.
import { subscribe } from "node:diagnostics_channel";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { CHANNELS, createGuard, type RequestRecord } from "../../src/index.js";

const deadlineMs = Number(process.argv[2]);
const guard = createGuard({ logger: false, lint: false, firstByteDeadlineMs: deadlineMs });
const errors: number[] = [];
subscribe(CHANNELS.request, (message) => errors.push((message as RequestRecord).ms - deadlineMs));
const server = guard.attach(createServer(() => {}));
process.on("message", (message) => {
  if (message === "waiting") process.send?.({ waiting: guard.stats().inFlight });
  if (message === "result") {
    errors.sort((a, b) => a - b);
    process.send?.({ count: errors.length, least: errors[0], most: errors.at(-1), outcomes: guard.stats().outcomes });
  }
});
process.on("disconnect", () => process.exit());
server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 }, () =>
  process.send?.({ port: (server.address() as AddressInfo).port }),
);
