import { expect } from "vitest";
import type { Load, Seen } from "./load.js";

export const CLIENTS = 50;
export const ENV = { RAYGUARD_OPTIONS: '{"logger":false}' };

/**
 * Fails so many times under load, each time when everyone has been served again.
 * @param by - number of further processes that must have answered by then
 */
export async function under(load: Load, times: number, fail: () => unknown, by = 0): Promise<Seen> {
  await load.everyone(3);
  for (let n = 0; n < times; n++) {
    const { size } = load.seen.processes;
    await fail();
    await expect.poll(() => load.seen.processes.size, { timeout: 20_000 }).toBeGreaterThanOrEqual(size + by);
    await load.everyone(2);
  }
  return load.stop();
}

/**
 * What a death may cost: the one request that is being read in that very moment, or whose client cannot have known that
 * its connection would end behind the last octet of the answer before.
 */
export const kept = (seen: Seen, kills = 0) => {
  expect(seen).toMatchObject({ refused: 0, wrong: [] });
  expect(seen.empty + seen.cut + seen.silent, JSON.stringify(seen)).toBeLessThanOrEqual(kills);
};
