import type { ChildProcess } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { GuardOptions } from "../../src/index.js";
import { exchange } from "../../src/testing/index.js";
import { type OriginProcess, startOrigin } from "./processes.js";

// Who ends the process, where the guard is not the only one that listens for what ends it.

const TIMEOUT = { timeout: 30_000 };
const GRACE_MS = 1_500;

type Start = (
  listener: string,
  when: "before" | "after",
  options?: GuardOptions,
  isGuarded?: boolean,
  env?: Record<string, string>,
) => Promise<OriginProcess>;

// Side by side, since most of the time goes by in waiting.
const { concurrent: test } = it.extend<{ start: Start }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads which fixtures a fixture needs
  start: async ({}, use) => {
    const running = new Set<ChildProcess>();
    await use((listener, when, options = {}, isGuarded = true, env = {}) => {
      const own = { LISTENER: listener, WHEN: when, ...env };
      const shutdown = { graceMs: GRACE_MS };
      return startOrigin("node", isGuarded, { shutdown, ...options }, "listening-origin.ts", own, running);
    });
    for (const child of running) child.kill("SIGKILL");
  },
});

/** Ends an origin server with SIGTERM while a request of 500 ms is under way. */
async function terminate(origin: OriginProcess) {
  const slow = exchange({ port: origin.port }, { path: "/slow" });
  await origin.told("slow");
  origin.child.kill("SIGTERM");
  const { responses } = await slow;
  const { code, signal } = await origin.gone;
  return { answer: responses[0]?.text() ?? "", code, signal };
}

/** Makes an origin server throw while another request of 500 ms is under way. */
async function crash(origin: OriginProcess, path = "/throw") {
  const slow = exchange({ port: origin.port }, { path: "/slow" });
  await origin.told("slow");
  const culprit = await exchange({ port: origin.port }, { path });
  const { responses } = await slow;
  const { code } = await origin.gone;
  return { culprit: culprit.responses[0]?.status, answer: responses[0]?.status, code };
}

describe.each(["before", "after"] as const)("a listener for SIGTERM, added %s the guard", (when) => {
  test("that is signal-exit's ends the process, and runs what waits for that", TIMEOUT, async ({ start }) => {
    const origin = await start("signal-exit", when, { shutdown: { graceMs: 60_000 } });
    expect(await terminate(origin)).toEqual({ answer: "slow", code: 143, signal: null });
    expect(origin.messages).toContain("exit 143 null");
  });

  test("that ends the process only if it is alone does not have to wait for the grace", TIMEOUT, async ({ start }) => {
    const origin = await start("ends if alone", when, { shutdown: { graceMs: 60_000 } });
    expect(await terminate(origin)).toEqual({ answer: "slow", code: 143, signal: null });
    expect(origin.messages).toContain("asked");
  });

  test.for(["looks on", "looks on, once"])(
    "that %s does not keep the process from ending",
    TIMEOUT,
    async (listener, { start }) => {
      const origin = await start(listener, when);
      expect(await terminate(origin)).toEqual({ answer: "slow", code: 143, signal: null });
      expect(origin.messages).toContain("looked on");
    },
  );

  test.for(["closes the server and exits", "takes longer than the grace", "drains by the guard"])(
    "that %s has the time it needs",
    TIMEOUT,
    async (listener, { start }) => {
      expect(await terminate(await start(listener, when))).toEqual({ answer: "slow", code: 7, signal: null });
    },
  );

  test.for(["exits after a while", "exits after a while, once"])(
    "that %s is not cut short",
    TIMEOUT,
    async (listener, { start }) => {
      expect((await terminate(await start(listener, when, { shutdown: { graceMs: 10_000 } }))).code).toBe(7);
    },
  );

  test.for(["goes by itself and sends the signal again", "terminus"])(
    "that %s ends it",
    TIMEOUT,
    async (listener, { start }) => {
      const origin = await start(listener, when, { shutdown: { graceMs: 60_000 } });
      expect(await terminate(origin)).toEqual({ answer: "slow", code: 143, signal: null });
    },
  );
});

test("goes on as before where a listener for SIGHUP opens its log again", TIMEOUT, async ({ start }) => {
  const origin = await start("opens its log again", "after", { shutdown: { graceMs: 1 } });
  origin.child.kill("SIGHUP");
  await origin.told("opened");
  const { responses } = await exchange({ port: origin.port }, [{ path: "/slow" }, { path: "/health" }]);
  expect(responses.map(({ status, closes }) => [status, closes])).toEqual([
    [200, false],
    [200, false],
  ]);
  expect(origin.child.exitCode).toBe(null);
});

test("serves on while a listener for SIGTERM may still end the process", TIMEOUT, async ({ start }) => {
  const origin = await start("looks on", "after");
  origin.child.kill("SIGTERM");
  await origin.told("looked on");
  const { responses } = await exchange({ port: origin.port }, { path: "/" });
  expect(responses[0]?.status).toBe(200);
  expect(responses[0]?.closes).toBe(true);
  expect((await origin.gone).code).toBe(143);
});

describe.each(["before", "after"] as const)("a listener for uncaughtException, added %s the guard", (when) => {
  test("that only looks on does not keep a process in an undefined state", TIMEOUT, async ({ start }) => {
    const origin = await start("looks on at exceptions", when);
    expect(await crash(origin)).toEqual({ culprit: 500, answer: 200, code: 1 });
    expect(origin.messages).toContain("looked on");
    expect(origin.stderr()).toContain("TypeError: thrown from a timer");
  });

  test("that ends the process only if it is alone gets what it waits for", TIMEOUT, async ({ start }) => {
    const origin = await start("ends if alone on exceptions", when, { shutdown: { graceMs: 60_000 } });
    expect(await crash(origin)).toEqual({ culprit: 500, answer: 200, code: 1 });
    expect(origin.messages).toContain("asked");
  });

  test("that exits at once has its way, and everybody an answer", TIMEOUT, async ({ start }) => {
    expect(await crash(await start("exits at once on exceptions", when))).toEqual({
      culprit: 500,
      answer: 503,
      code: 7,
    });
  });

  test("that exits later has its way", TIMEOUT, async ({ start }) => {
    const { culprit, code } = await crash(
      await start("exits after a while on exceptions, once", when, { shutdown: { graceMs: 10_000 } }),
    );
    expect({ culprit, code }).toEqual({ culprit: 500, code: 7 });
  });

  test("that closes the server has the time it needs", TIMEOUT, async ({ start }) => {
    expect(await crash(await start("closes the server on exceptions", when))).toEqual({
      culprit: 500,
      answer: 200,
      code: 7,
    });
  });

  test("that throws ends the process there and then, as Node does", TIMEOUT, async ({ start }) => {
    const { culprit, code } = await crash(await start("throws again on exceptions", when));
    expect({ culprit, code }).toEqual({ culprit: 500, code: 7 });
  });

  test('has the last word with crash: "answer"', TIMEOUT, async ({ start }) => {
    const origin = await start("looks on at exceptions", when, { crash: "answer", shutdown: { graceMs: 1 } });
    const { responses } = await exchange({ port: origin.port }, { path: "/throw" });
    expect(responses[0]?.status).toBe(500);
    await origin.told("looked on");
    const later = await exchange({ port: origin.port }, [{ path: "/slow" }, { path: "/health" }]);
    expect(later.responses.map(({ status }) => status)).toEqual([200, 200]);
    expect(origin.child.exitCode).toBe(null);
  });
});

describe("a listener for exit that throws", () => {
  test.for(["SIGTERM", "an exception"])(
    "does not keep the process from ending after %s",
    TIMEOUT,
    async (what, { start }) => {
      const origin = await start("throws on the way out", "after");
      if (what === "SIGTERM") expect(await terminate(origin)).toEqual({ answer: "slow", code: 143, signal: null });
      else expect(await crash(origin)).toEqual({ culprit: 500, answer: 200, code: 1 });
      expect(origin.stderr()).toContain("Error: thrown on the way out");
    },
  );

  test.for(["guarded", "bare"])("leaves the app its exit code, %s", TIMEOUT, async (kind, { start }) => {
    const origin = await start("throws on the way out", "after", {}, kind === "guarded");
    const { responses } = await exchange({ port: origin.port }, { path: "/exit" });
    expect(responses.map(({ status }) => status)).toEqual(kind === "guarded" ? [503] : []);
    expect((await origin.gone).code).toBe(7);
    expect(origin.stderr()).toContain("Error: thrown on the way out");
  });
});

test("an exception that cannot be read costs its own request alone", TIMEOUT, async ({ start }) => {
  const origin = await start("none", "after");
  expect(await crash(origin, "/throw-unreadable")).toEqual({ culprit: 500, answer: 200, code: 1 });
});

test('ends with crash: "answer" where nobody listens', TIMEOUT, async ({ start }) => {
  expect(await crash(await start("none", "after", { crash: "answer" }))).toEqual({
    culprit: 500,
    answer: 200,
    code: 1,
  });
});

describe("what never becomes an uncaughtException", () => {
  test.for(["guarded", "bare"])("a rejection that somebody listens for, %s", TIMEOUT, async (kind, { start }) => {
    const origin = await start("looks on at rejections", "after", {}, kind === "guarded");
    const { responses } = await exchange({ port: origin.port }, { path: "/reject" });
    expect(responses[0]?.text()).toBe("answered all the same");
    await origin.told("looked on");
    expect((await exchange({ port: origin.port }, { path: "/" })).responses[0]?.closes).toBe(false);
  });

  test.for(["guarded", "bare"])("an exception that somebody captures, %s", TIMEOUT, async (kind, { start }) => {
    const origin = await start("captures exceptions", "after", {}, kind === "guarded");
    origin.child.send("throw");
    await origin.told("captured");
    expect((await exchange({ port: origin.port }, { path: "/" })).responses[0]?.closes).toBe(false);
  });
});

describe.each(["guarded", "bare"])("%s", (kind) => {
  test("an app answers what a domain has caught", TIMEOUT, async ({ start }) => {
    const origin = await start("none", "after", {}, kind === "guarded");
    const { responses } = await exchange({ port: origin.port }, { path: "/domain" });
    expect(responses[0]?.text()).toBe("answered by the domain");
    expect((await exchange({ port: origin.port }, { path: "/" })).responses[0]?.closes).toBe(false);
  });

  test.for(["warn", "none"])("--unhandled-rejections=%s goes on", TIMEOUT, async (mode, { start }) => {
    const env = { NODE_OPTIONS: `--unhandled-rejections=${mode}` };
    const origin = await start("none", "after", {}, kind === "guarded", env);
    const { responses } = await exchange({ port: origin.port }, { path: "/reject" });
    expect(responses[0]?.text()).toBe("answered all the same");
    expect((await exchange({ port: origin.port }, { path: "/" })).responses[0]?.closes).toBe(false);
  });

  test.for(["strict", "throw"])("--unhandled-rejections=%s ends with code 1", TIMEOUT, async (mode, { start }) => {
    const env = { NODE_OPTIONS: `--unhandled-rejections=${mode}` };
    const origin = await start("none", "after", {}, kind === "guarded", env);
    const { responses } = await exchange({ port: origin.port }, { path: "/reject" });
    expect(responses[0]?.status).toBe(kind === "guarded" ? 500 : undefined);
    expect((await origin.gone).code).toBe(1);
  });
});

describe("signals in a row", () => {
  test.for([5, 50, 400])("are one, %i ms apart", TIMEOUT, async (ms, { start }) => {
    const origin = await start("none", "after");
    const slow = exchange({ port: origin.port }, { path: "/slow" });
    await origin.told("slow");
    origin.child.kill("SIGINT");
    await wait(ms);
    origin.child.kill("SIGINT");
    origin.child.kill("SIGTERM");
    expect((await slow).responses[0]?.text()).toBe("slow");
    expect((await origin.gone).code).toBe(130);
  });
});

describe("a fault while the process is ending", () => {
  test("costs its own request alone, in a drain that a signal began", TIMEOUT, async ({ start }) => {
    const origin = await start("none", "after", { shutdown: { lameDuckMs: 300, graceMs: 5_000 } });
    const slow = exchange({ port: origin.port }, { path: "/slow" });
    await origin.told("slow");
    origin.child.kill("SIGTERM");
    const culprits = await Promise.all([1, 2].map(() => exchange({ port: origin.port }, { path: "/throw" })));
    expect(culprits.map(({ responses }) => responses[0]?.status)).toEqual([500, 500]);
    expect((await slow).responses[0]?.text()).toBe("slow");
    expect((await origin.gone).code).toBe(1);
  });

  test("costs its own request alone, behind another fault", TIMEOUT, async ({ start }) => {
    const origin = await start("none", "after");
    const slow = exchange({ port: origin.port }, { path: "/slow" });
    await origin.told("slow");
    const together = [1, 2, 3].map(() => exchange({ port: origin.port }, { path: "/throw-together" }));
    await origin.told("ready to throw", 3);
    origin.child.send("throw together");
    const culprits = await Promise.all(together);
    expect(culprits.map(({ responses }) => responses[0]?.status)).toEqual([500, 500, 500]);
    expect((await slow).responses[0]?.text()).toBe("slow");
    expect((await origin.gone).code).toBe(1);
    expect(origin.stderr().match(/TypeError: thrown from a timer/g)).toHaveLength(3);
  });

  test("ends the process at once where nobody knows its request", TIMEOUT, async ({ start }) => {
    const origin = await start("none", "after", { shutdown: { graceMs: 60_000 } });
    const hanging = exchange({ port: origin.port }, { path: "/hang" });
    await origin.told("hangs");
    await exchange({ port: origin.port }, { path: "/throw" });
    origin.child.send("throw");
    expect((await origin.gone).code).toBe(1);
    expect((await hanging).responses[0]?.status).toBe(503);
  });
});

test.for(["SIGTERM", "SIGINT", "SIGHUP"] as const)("%s lets requests finish", TIMEOUT, async (signal, { start }) => {
  const origin = await start("none", "after");
  const slow = exchange({ port: origin.port }, { path: "/slow" });
  await origin.told("slow");
  origin.child.kill(signal);
  expect((await slow).responses[0]?.text()).toBe("slow");
  expect((await origin.gone).code).toBe({ SIGTERM: 143, SIGINT: 130, SIGHUP: 129 }[signal]);
});
