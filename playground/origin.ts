// One origin server in a process of its own, since bare ones really die: origin.ts express|fastify guarded|bare [port]
import { subscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { startExpress } from "./origins/express.js";
import { startFastify } from "./origins/fastify.js";
import type { IncidentNote, OriginMessage } from "./process/origin-process.js";

// No orphan: the channel to the parent closes with the parent, however that ends.
process.on("disconnect", () => process.exit());
// The terminal sends an interrupt to the whole group; the parent alone decides what it means.
process.on("SIGINT", () => {});

const [framework, kind, port = "0"] = process.argv.slice(2);
const start = framework === "fastify" ? startFastify : startExpress;

process.on("message", () => tell({ type: "flushed" }));
subscribe("rayguard:incident", (message) => {
  const { code, ray } = message as IncidentNote;
  tell({ type: "incident", code, ray });
});

const server = await start({ guarded: kind === "guarded", port: Number(port) });
if (!server.listening) await once(server, "listening");
tell({ type: "listening", port: (server.address() as AddressInfo).port });

function tell(message: OriginMessage): void {
  if (process.connected) process.send?.(message);
}
