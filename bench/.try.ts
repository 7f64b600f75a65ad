import { measureCpu, ratioOf } from "./measures/cpu.js";
import { pinToOneCore } from "./pin.js";
import { median } from "./statistics.js";
const [fw, rounds, requests, node] = process.argv.slice(2);
const t0 = Date.now();
console.log("pinned", !!pinToOneCore());
const t = await measureCpu({ framework: fw as any, variants: ["bare", "usual"], node: node ?? process.execPath, rounds: +rounds!, requests: +requests!, progress() {} });
for (const [s, v] of t) { const r = ratioOf(t, s, "bare")!; console.log(s, median(v).toFixed(2), r.median.toFixed(3), r.low.toFixed(3), r.high.toFixed(3)); }
const r = ratioOf(t, "again", "bare")!; console.log(r.rounds.map((x) => x.toFixed(3)).join(" "), Date.now() - t0, "ms");
