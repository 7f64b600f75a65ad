import { setImmediate as turn } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { hear, type Others } from "../src/shutdown/other-listeners.js";

const EVENT = "an event of this test";
const emitter: NodeJS.EventEmitter = process;

afterEach(() => void emitter.removeAllListeners(EVENT));

/** What is told of `times` events that come in one turn. */
async function told(times: number, ...others: (() => void)[]): Promise<Others[]> {
  const heard: Others[] = [];
  const own = () => hear(EVENT, own, (who) => heard.push(who));
  emitter.on(EVENT, own);
  for (const other of others) emitter.on(EVENT, other);
  for (let n = 0; n < times; n++) emitter.emit(EVENT);
  await turn();
  return heard;
}

it("takes no question of the guard's own for one of another listener", async () => {
  expect(await told(2, () => {})).toEqual(["listeners", "listeners"]);
});

it("tells who has asked, however many events come in a turn", async () => {
  expect(await told(2, () => void process.listenerCount(EVENT as "exit"))).toEqual(["onlookers", "onlookers"]);
  expect(process.listenerCount).toBe(Object.getPrototypeOf(process).listenerCount);
});

it("tells at once where there is nobody else", async () => {
  expect(await told(2)).toEqual(["none", "none"]);
});
