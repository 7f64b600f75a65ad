import { catchAll, findFailures, leftovers, programsOf, shrink, startOrigin, strayErrors, judge, forEach } from "/work/main/test/properties/campaign.ts";
import { FRAMEWORKS, type Framework } from "/work/main/test/properties/origins.ts";
const [fw = "node", count = "300", seedArg = "1", shrinks = "6", only = ""] = process.argv.slice(2);
const seed = Number(seedArg);
catchAll();
const dist = (f: any) => f.breaches.map((b: string) => b.replace(/\d+/g, "N").slice(0, 60)).join(" | ");
await Promise.all(((fw === "all" ? FRAMEWORKS : [fw]) as Framework[]).map(async (framework, fi) => {
  const out: string[] = [];
  const log = (...a: unknown[]) => out.push(a.map((x) => typeof x === "string" ? x : JSON.stringify(x)).join(" "));
  const origin = await startOrigin(framework, true);
  const started = performance.now();
  const fseed = seed * 1000 + fi;
  const failures = (await findFailures(origin, programsOf(fseed, Number(count)))).filter((f) => f.breaches.some((b) => b.includes(only)));
  const ms = performance.now() - started;
  log(`== ${framework} node ${process.versions.node} seed ${fseed}: ${count} programs in ${Math.round(ms)} ms, ${failures.length} failed`, origin.guard?.stats().outcomes);
  const kinds = new Map<string, typeof failures>();
  for (const f of failures) kinds.set(dist(f), [...(kinds.get(dist(f)) ?? []), f]);
  const groups = [...kinds].sort((a, b) => b[1].length - a[1].length);
  const texts: string[] = [];
  await forEach(groups.slice(0, Number(shrinks)), async ([k, list], i) => {
    const again = await judge(origin, list[0]!.program, list[0]!.index);
    texts[i] = `-- ${list.length} x ${k}\n`;
    if (again === undefined) { texts[i] += "   not reproduced alone: " + JSON.stringify(list[0]); return; }
    const small = await shrink(origin, again, fseed, 8000);
    texts[i] += `    ${JSON.stringify(small.program)}\n    ${small.breaches} ${small.incidents}\n    ${JSON.stringify(small.octets.slice(0, 400))}`;
  }, 8);
  for (const t of texts) log(t);
  for (const [k, list] of groups.slice(Number(shrinks))) log(`-- ${list.length} x ${k}`);
  log("leftovers", await leftovers(origin));
  console.log(out.join("\n"));
}));
for (const e of strayErrors.splice(0)) console.log("  stray", e);
process.exit(0);
