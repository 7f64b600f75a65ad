import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createGuard, type GuardOptions } from "../../src/index.js";

/** An app whose event loop can be blocked on demand; run by watchdog.test.ts in a process of its own. */
export type Order =
  | { do: "block"; how: "script" | "native" | "cpu"; ms: number }
  | { do: "burst"; times: number; ms: number }
  | { do: "close" | "leave" };

const options = JSON.parse(process.argv[2] as string) as GuardOptions;
const tell = (level: string) => (record: object & { err?: unknown }, message: string) => {
  const stack = record.err instanceof Error ? record.err.stack : undefined;
  process.send?.({ level, ...record, stack, message });
};
const logger = { info: tell("info"), warn: tell("warn"), error: tell("error") };
const guard = createGuard({ ...options, logger: options.logger === false ? false : logger });
const server = guard.attach(createServer((_request, response) => response.end("app")));
server.listen(0, "127.0.0.1", () =>
  process.send?.({ message: "listening", port: (server.address() as AddressInfo).port }),
);

function crunchNumbers(ms: number): number {
  const end = performance.now() + ms;
  let sum = 0;
  while (performance.now() < end) for (let i = 0; i < 1e4; i++) sum += Math.sqrt(i);
  return sum;
}

/** Blocks for so long of CPU time, which stands still while the process does. */
function burn(ms: number): void {
  const start = process.cpuUsage().user;
  while (process.cpuUsage().user - start < ms * 1_000) crunchNumbers(1);
}

/** Blocks outside of JavaScript: nothing can be interrupted there. */
function waitInNativeCode(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

process.on("message", (order: Order) => {
  if (order.do === "close") guard.close();
  else if (order.do === "block") ({ script: crunchNumbers, native: waitInNativeCode, cpu: burn })[order.how](order.ms);
  else if (order.do === "burst") {
    // Work in pieces, each of which is below the threshold.
    const next = (left: number) => {
      if (left > 0) setImmediate(() => next(left - 1));
      crunchNumbers(order.ms);
      if (left === 0) process.send?.({ message: "done" });
    };
    next(order.times);
  } else {
    // Nothing of the app is left; the guard is not closed.
    server.close();
    process.disconnect();
  }
});
