import { setTimeout as wait } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Exchange } from "../../src/exchange/exchange.js";
import { Admission } from "../../src/overload/admission.js";
import { OVERLOAD_DEFAULTS } from "../../src/overload/overload-options.js";

it("lets everybody in who waits as it is opened, whoever of them leaves meanwhile", async () => {
  const settings = { ...OVERLOAD_DEFAULTS, maxInFlight: 1, maxQueuedMs: 100 };
  const admission = new Admission(settings, () => {}, { ownFailure() {} });
  admission.narrow(true, 1); // refusals are told late
  const waiting = (startedAt: number) =>
    ({ startedAt, isFirst: false, admittedBy: null, phase: { isOver: false } }) as unknown as Exchange;
  admission.letIn(waiting(performance.now()), performance.now());
  const exchanges = ["a", "b", "c"].map(() => waiting(performance.now()));
  const entered: number[] = [];
  for (const [i, exchange] of exchanges.entries()) {
    const enter = () => {
      entered.push(i);
      // The first one ends the connection of the next.
      if (i === 0) exchanges[1]?.admittedBy?.left(exchanges[1]);
    };
    admission.enqueue(exchange, enter, true);
  }
  await wait(20); // they are overdue, and not told so yet
  expect(admission.queued).toBe(0);
  admission.open();
  expect(entered).toEqual([0, 2]);
});
