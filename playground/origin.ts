// One origin server in a process of its own, since bare ones really die: origin.ts <framework> guarded|bare port [watched]
import { subscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import type { Incident, RequestRecord } from "rayguard";
import { startExpress } from "./origins/express.js";
import { startFastify } from "./origins/fastify.js";
import { startNode } from "./origins/node.js";
import type { OriginMessage, OriginOrder } from "./process/messages.js";
import { watchAnswers } from "./process/watch-answers.js";

const GAUGE_INTERVAL_MS = 500;

// No orphan: the channel to the parent closes with the parent, however that ends.
process.on("disconnect", () => process.exit());
// It may have ended while this file was loading: nobody was there to be told.
if (!process.connected) process.exit();
// The terminal sends an interrupt to the whole group; the parent alone decides what it means.
process.on("SIGINT", () => {});

const [framework, kind, port, watched] = process.argv.slice(2);
const start = { express: startExpress, fastify: startFastify, node: startNode }[framework as string] ?? startExpress;
const watch = watched === "watched" ? watchAnswers((note) => tell({ type: "trace", ...note })) : undefined;

process.on("message", (order: OriginOrder) => {
  if (order.type === "block") return stayBusy(order.ms);
  tell({ type: "flushed" });
});
subscribe("rayguard:incident", (message) => {
  const { err, ...incident } = message as Incident;
  tell({ type: "incident", ...incident, err: err instanceof Error ? (err.stack ?? err.message) : null });
});
if (watch) subscribe("rayguard:request", (message) => tell({ type: "record", record: message as RequestRecord }));

const { server, guard } = await start({ guarded: kind === "guarded", port: Number(port), ...(watch ? { watch } : {}) });
if (!server.listening) await once(server, "listening");
tell({ type: "listening" });
if (guard && watch) {
  setInterval(() => tell({ type: "gauge", state: guard.state, stats: guard.stats() }), GAUGE_INTERVAL_MS).unref();
}

function stayBusy(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

function tell(message: OriginMessage): void {
  // An error here says that the parent is on its way out; the end of the channel follows.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}
