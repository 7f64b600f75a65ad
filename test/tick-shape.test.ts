import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";

/** Tells how many of the objects that `process.nextTick()` made for `text` outlive garbage collection. */
async function ticksLeft(text: string): Promise<number> {
  const program = `
    import { createHook } from "node:async_hooks";
    import { setTimeout } from "node:timers/promises";
    const { createGuard } = await import(${JSON.stringify(import.meta.resolve("rayguard"))});
    const made = [];
    const hook = createHook({
      init(_id, type, _trigger, resource) {
        if (type === "TickObject") made.push(new WeakRef(resource));
      },
    }).enable();
    ${text}
    hook.disable();
    for (let pass = 0; pass < 8; pass++) {
      await setTimeout(5);
      gc();
    }
    console.log(made.filter((tick) => tick.deref() !== undefined).length, "of", made.length);`;
  const args = ["--expose-gc", "--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const [left, , all] = stdout.trim().split(" ").map(Number);
  expect(all).toBeGreaterThan(0);
  return left as number;
}

it("one tick outlives garbage collection, so that V8 does not forget the shape of all", async () => {
  expect(await ticksLeft("process.nextTick(() => {});")).toBe(0);
  expect(await ticksLeft("createGuard({ logger: false });")).toBe(1);
  expect(await ticksLeft("createGuard({ logger: false }); createGuard({ mode: 'report' });")).toBe(1);
});
