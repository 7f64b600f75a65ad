import type { Load } from "./load.js";
import { type Origin, startOrigin } from "./origin.js";
import type { Framework, Variant } from "./variants.js";

export type CpuOptions = {
  framework: Framework;
  variants: readonly Variant[];
  node: string;
  /** Nothing was forgotten of their first requests; see `origins/main.js`. */
  isFresh: boolean;
  rounds: number;
  /** What is asked of each, over and over. */
  open(port: number): Promise<Load>;
  /** Requests of one variant in one round. */
  requests: number;
  progress(done: number): void;
};

/** Server CPU time per request in microseconds, one figure per round; `again` is a second server of the first variant. */
export type CpuTimes = Map<Slot, number[]>;
export type Slot = Variant | "again";

/**
 * The variants take turns this many times in a round, each time from another one on: the speed of a machine drifts
 * within seconds, above all when others use it. The figure of a round is their sum and not their median, so that
 * a major garbage collection, which falls into one turn of several, is neither lost nor counted twice.
 */
const TURNS = 10;

/** Turns before those that count: enough for the optimizing compiler to settle. */
const WARM_UP_TURNS = 6;

/**
 * Measures all variants interleaved.
 *
 * Each round has fresh processes: two processes of the same program differ by a per cent or two for their whole life
 * (code layout, what the optimizer saw first), which more requests to the same ones would not average out.
 */
export async function measureCpu(options: CpuOptions): Promise<CpuTimes> {
  const slots: Slot[] = [...options.variants, "again"];
  const times: CpuTimes = new Map(slots.map((slot) => [slot, []]));
  for (let round = 0; round < options.rounds; round++) {
    const contenders = await Promise.all(slots.map((slot) => enter(slot, options)));
    try {
      if (!options.isFresh) {
        await takeTurns(contenders, WARM_UP_TURNS, options.requests, false);
        for (const { origin } of contenders) await origin.ask("idle");
      }
      await takeTurns(contenders, WARM_UP_TURNS, options.requests, false);
      await takeTurns(contenders, TURNS, options.requests, true);
      for (const { slot, cpu, requests } of contenders) times.get(slot)?.push(cpu / requests);
    } finally {
      await Promise.all(contenders.map(leave));
    }
    options.progress(round + 1);
  }
  return times;
}

type Contender = { slot: Slot; origin: Origin; load: Load; cpu: number; requests: number };

async function enter(slot: Slot, options: CpuOptions): Promise<Contender> {
  const { framework, node, variants } = options;
  const variant = slot === "again" ? (variants[0] as Variant) : slot;
  const origin = await startOrigin({ framework, variant, node, nodeFlags: ["--expose-gc"] });
  return { slot, origin, load: await options.open(origin.port), cpu: 0, requests: 0 };
}

async function takeTurns(contenders: Contender[], turns: number, requests: number, counts: boolean): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    for (let place = 0; place < contenders.length; place++) {
      const contender = contenders[(place + turn) % contenders.length] as Contender;
      await takeTurn(contender, Math.ceil(requests / TURNS), counts);
    }
  }
}

async function takeTurn(contender: Contender, requests: number, counts: boolean): Promise<void> {
  const before = await contender.origin.cpu();
  const sent = await contender.load.send(requests);
  const cpu = (await contender.origin.cpu()) - before;
  if (!counts) return;
  contender.requests += sent;
  contender.cpu += cpu;
}

async function leave(contender: Contender): Promise<void> {
  contender.load.close();
  await contender.origin.stop();
}
