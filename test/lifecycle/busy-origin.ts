/**
 * A process of its own: an origin server whose every response takes some milliseconds of computing. Started by
 * `fork()`; the arguments are "bare" or "guarded", "computing" or "waiting", milliseconds and the options as JSON.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { createGuard } from "../../src/index.js";

const [variant, kind, ms = "4", options = "{}"] = process.argv.slice(2);

/** Time on the processor, not on the clock: on a machine that others share, refusals get slower as the work does. */
function compute(): void {
  const before = process.cpuUsage();
  for (let spent = 0; spent < Number(ms) * 1_000; ) {
    const { user, system } = process.cpuUsage(before);
    spent = user + system;
  }
}

const server = createServer(async (request, response) => {
  if (kind === "waiting") await wait(10);
  if (request.url !== "/warm-up") compute();
  response.end("done");
});
if (variant === "guarded") createGuard({ logger: false, ...JSON.parse(options) }).attach(server);
server.listen(0, "127.0.0.1", 4_096, () => process.send?.((server.address() as AddressInfo).port));
process.on("disconnect", () => process.exit());
