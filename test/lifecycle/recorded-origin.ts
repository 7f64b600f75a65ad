import { subscribe } from "node:diagnostics_channel";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { CHANNELS, createGuard, type Incident } from "../../src/index.js";

/** What the process tells its parent. */
export type Told = { port: number } | { seen: string } | { incident: Incident } | { searched: true };

const tell = (told: Told) => process.send?.(told);

subscribe(CHANNELS.incident, (incident) => tell({ incident: incident as Incident }));

const guard = createGuard({ logger: false, recorder: { path: process.argv[2] as string } });
const server = guard.attach(
  createServer((request, response) => {
    const ray = String(request.headers["cf-ray"]);
    if (request.url === "/quick") response.end("ok");
    if (request.url === "/exit") process.exit(7);
    if (request.url === "/stream") {
      response.writeHead(206, { "Content-Type": "text/event-stream" });
      // Two turns of the loop later the response is on its way, also for the recorder.
      response.write("data: 1\n\n", () => setImmediate(() => setImmediate(tell, { seen: ray })));
    }
    if (request.url === "/wait") tell({ seen: ray });
  }),
);
server.listen(0, "127.0.0.1", () => tell({ port: (server.address() as AddressInfo).port }));
// Timers end in the order in which they are due, so the search of the guard is over by then.
setTimeout(tell, 20, { searched: true });
process.on("disconnect", () => process.exit());
