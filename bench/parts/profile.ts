import type { Flags } from "../flags.js";
import { openLoad } from "../load.js";
import { startOrigin } from "../origin.js";
import { pinToOneCore } from "../pin.js";
import { type Frame, groupOf, type Profile, selfTimes } from "../profile.js";
import { progress } from "../progress.js";
import { type Framework, VARIANTS, type Variant } from "../variants.js";

/** Functions listed for each variant. */
const LISTED = 20;

/** Where the CPU time of a request goes: by package, and within the guard by function. */
export async function profileText(framework: Framework, flags: Flags): Promise<string> {
  const unpin = pinToOneCore();
  try {
    const texts: string[] = [];
    for (const variant of VARIANTS) {
      progress(`${framework}: profile of ${variant}`);
      texts.push(`${framework} ${variant}, ns per request\n${describe(await profileOf(framework, variant, flags))}`);
    }
    return texts.join("\n\n");
  } finally {
    unpin?.();
  }
}

/** Self time per request and function, in nanoseconds. */
async function profileOf(framework: Framework, variant: Variant, flags: Flags): Promise<Map<Frame, number>> {
  const requests = flags.requests(framework);
  const origin = await startOrigin({ framework, variant, node: flags.node });
  try {
    const load = await openLoad(origin.port);
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

function describe(times: Map<Frame, number>): string {
  const groups = new Map<string, number>();
  for (const [frame, ns] of times) {
    const group = groupOf(frame);
    groups.set(group, (groups.get(group) ?? 0) + ns);
  }
  const guard = new Map([...times].filter(([frame]) => groupOf(frame) === "rayguard"));
  const line = ([name, ns]: [string, number]) => `${ns.toFixed(0).padStart(8)}  ${name}`;
  const list = (values: Map<string, number>) =>
    [...values]
      .sort((a, b) => b[1] - a[1])
      .slice(0, LISTED)
      .map(line);
  return [...list(groups), ...(guard.size > 0 ? ["     of which rayguard", ...list(guard)] : [])].join("\n");
}
