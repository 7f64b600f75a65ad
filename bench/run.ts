import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import { type Flags, type Part, readFlags, USAGE } from "./flags.js";
import { importRows } from "./parts/cold-import.js";
import { cpuRows } from "./parts/cpu.js";
import { keeperRows } from "./parts/keeper.js";
import { memoryRows } from "./parts/memory.js";
import { profileText } from "./parts/profile.js";
import { timersRows } from "./parts/timers.js";
import { progress } from "./progress.js";
import { isMet, type Row, renderTable } from "./report.js";
import type { Framework } from "./variants.js";

const MEASURES: Record<Exclude<Part, "profile">, (framework: Framework, flags: Flags) => Promise<Row[]>> = {
  cpu: cpuRows,
  keeper: keeperRows,
  memory: memoryRows,
  timers: timersRows,
  import: importRows,
};

const flags = readFlags(process.argv.slice(2));
if (flags === "help") console.log(USAGE);
else await run(flags);

async function run(flags: Flags): Promise<void> {
  const version = execFileSync(flags.node, ["--version"], { encoding: "utf8" }).trim();
  const machine = `Node ${version}, ${cpus().length} x ${cpus()[0]?.model ?? "unknown processor"}`;
  const rows: Row[] = [];
  const profiles: string[] = [];
  for (const framework of flags.frameworks) {
    for (const part of flags.parts) {
      if (part === "profile") profiles.push(await profileText(framework, flags));
      else rows.push(...(await MEASURES[part](framework, flags)));
    }
  }
  progress("");
  if (flags.json)
    console.log(JSON.stringify({ machine, rows: rows.map((row) => ({ ...row, met: isMet(row) })), profiles }));
  else console.log([machine, ...(rows.length > 0 ? [renderTable(rows)] : []), ...profiles].join("\n\n"));
  if (flags.check && !rows.every(isMet)) process.exitCode = 1;
}
