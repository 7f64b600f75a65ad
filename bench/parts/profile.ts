import type { Flags } from "../flags.js";
import { openLoad } from "../load.js";
import { startOrigin } from "../origin.js";
import { type Frame, groupOf, type Profile, selfTimes } from "../profile.js";
import { progress } from "../progress.js";
import type { Framework, Variant } from "../variants.js";

/** Lines of a list. */
const LISTED = 25;

/** Where the CPU time of a request goes: by package, and by function what a variant adds to the bare framework. */
export async function profileText(framework: Framework, flags: Flags): Promise<string> {
  const texts: string[] = [];
  let bare = new Map<Frame, number>();
  for (const variant of flags.variants(framework)) {
    progress(`${framework}: profile of ${variant}`);
    const times = await profileOf(framework, variant, flags);
    if (variant === "bare") bare = times;
    texts.push(
      `${framework} ${variant}: ns per request by package, and over bare`,
      list(byGroup(times), byGroup(bare), (ns) => ns),
    );
    if (variant !== "bare") {
      texts.push(`${framework} ${variant}: ns per request by function, and over bare`);
      texts.push(list(times, bare, (_, over) => over));
    }
  }
  return texts.join("\n");
}

/** Self time per request and function, in nanoseconds. */
async function profileOf(framework: Framework, variant: Variant, flags: Flags): Promise<Map<Frame, number>> {
  const requests = flags.requests(framework);
  const origin = await startOrigin({ framework, variant, node: flags.node, nodeFlags: ["--expose-gc"] });
  try {
    const load = await openLoad(origin.port);
    await load.send(requests);
    if (!flags.isFresh) await origin.ask("idle");
    await load.send(requests);
    await origin.ask("startProfile");
    await load.send(requests); // optimized code is made again for the profiler
    await origin.ask("stopProfile");
    await origin.ask("startProfile");
    const sent = await load.send(3 * requests);
    const profile = JSON.parse(await origin.ask("stopProfile")) as Profile;
    load.close();
    return new Map([...selfTimes(profile)].map(([frame, us]) => [frame, (us * 1_000) / sent]));
  } finally {
    await origin.stop();
  }
}

function byGroup(times: Map<Frame, number>): Map<string, number> {
  const groups = new Map<string, number>();
  for (const [frame, ns] of times) {
    const group = groupOf(frame);
    groups.set(group, (groups.get(group) ?? 0) + ns);
  }
  return groups;
}

function list(
  times: Map<string, number>,
  bare: Map<string, number>,
  rank: (ns: number, over: number) => number,
): string {
  return [...times]
    .map(([name, ns]) => ({ name, ns, over: ns - (bare.get(name) ?? 0) }))
    .sort((a, b) => rank(b.ns, b.over) - rank(a.ns, a.over))
    .slice(0, LISTED)
    .map(({ name, ns, over }) => `${ns.toFixed(0).padStart(8)} ${over.toFixed(0).padStart(8)}  ${name}`)
    .join("\n");
}
