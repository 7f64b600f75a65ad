import { createServer, type RequestListener } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { contain, contained, tellFailure } from "../src/containment.js";
import type { Exchange } from "../src/exchange/exchange.js";
import { GuardCore } from "../src/guard-core.js";
import type { GuardOptions } from "../src/index.js";
import type { Overload } from "../src/overload/overload.js";
import { MESSAGES } from "../src/report/log.js";
import { observe } from "../src/report/observation.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

const uncaught = vi.fn();
process.on("uncaughtException", uncaught);
process.on("unhandledRejection", uncaught);
afterEach(async () => {
  await nextTurn();
  const errors = uncaught.mock.calls.splice(0);
  expect(errors).toEqual([]);
  vi.restoreAllMocks();
});

const fault = new Error("of the guard's own");
function fail(): never {
  throw fault;
}

async function serve(listener: RequestListener, options: GuardOptions = {}) {
  const lines: { message: string; code?: string; err?: unknown }[] = [];
  const note = (record: object, message: string) => void lines.push({ ...record, message });
  const logger = { info() {}, warn: note, error: note };
  const guard = new GuardCore({ logger, firstByteDeadlineMs: 60, idleDeadlineMs: 60, ...options });
  const server = await listen(guard.attach(createServer(listener)));
  const faults = () => guard.stats().incidents.GUARD_FAULT ?? 0;
  const told = () => lines.filter(({ code }) => code === "GUARD_FAULT");
  return { guard, server, lines, faults, told };
}

describe("what is contained", () => {
  it("keeps arguments and `this`, and tells what it throws", () => {
    const seen: unknown[] = [];
    const witness = { ownFailure: (error: unknown) => void seen.push(error) };
    const self = {};
    contained(witness, function (this: object, a: number, b: number) {
      seen.push(this === self, a + b);
    }).call(self, 1, 2);
    contained(witness, fail)();
    expect(contain(witness, fail)).toBe(false);
    expect(contain(witness, () => {})).toBe(true);
    expect(seen).toEqual([true, 3, fault, fault]);
  });

  it("goes to Node's own warnings where there is no guard to tell, and nowhere where telling fails", () => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    tellFailure(undefined, fault);
    tellFailure(undefined, "text");
    expect(warned.mock.calls.map(([warning]) => String((warning as Error).message))).toEqual([
      fault.message,
      "rayguard failed: text",
    ]);
    tellFailure({ ownFailure: fail }, fault);
  });
});

/** Breaks what the guard asks of the exchange of `/broken`, once it is open. */
function breakExchange(guard: GuardCore, method: keyof Exchange): void {
  const { opened } = guard.supervisor;
  vi.spyOn(guard.supervisor, "opened").mockImplementation((one) => {
    opened.call(guard.supervisor, one);
    if (one.request?.url?.startsWith("/broken")) Object.defineProperty(one, method, { value: fail });
  });
}

describe("a failure of the guard's own", () => {
  it("in the sweep ends the one exchange visibly, and every other one as ever", async () => {
    const { guard, server, faults, told } = await serve(() => {});
    breakExchange(guard, "fail");
    const answers = await Promise.all(
      ["/1", "/broken/1", "/2", "/broken/2", "/3"].map((path) => exchange(server, { path }, { timeoutMs: 2_000 })),
    );
    expect(answers.map(({ responses }) => responses[0]?.status)).toEqual([503, undefined, 503, undefined, 503]);
    for (const { timedOut } of answers) expect(timedOut).toBe(false);
    expect(faults()).toBe(2);
    expect(told()).toEqual([expect.objectContaining({ err: fault, action: "ignored", prevented: null })]);
    expect(guard.stats().inFlight).toBe(0);
  });

  it("in the release of held content leaves no request waiting", async () => {
    const { guard, server, faults } = await serve((_request, response) => void response.write("held"));
    breakExchange(guard, "release");
    const { timedOut } = await exchange(server, { path: "/broken" }, { timeoutMs: 2_000 });
    expect(timedOut).toBe(false);
    expect(faults()).toBe(1);
  });

  it.each<[what: string, spoil: (guard: GuardCore) => void]>([
    ["as a request arrives", (guard) => vi.spyOn(guard.supervisor, "opened").mockImplementation(fail)],
    ["as a request is looked at", (guard) => vi.spyOn(guard, "answers").mockImplementation(fail)],
    ["as load is measured", (guard) => vi.spyOn(guard.overload as Overload, "admits").mockImplementation(fail)],
  ])("%s leaves the request to the app", async (_what, spoil) => {
    const { guard, server, faults } = await serve((_request, response) => response.end("of the app"), {
      overload: true,
    });
    spoil(guard);
    const { responses, valid } = await exchange(server, [{ path: "/1" }, { path: "/2" }]);
    expect(valid).toBe(true);
    expect(responses.map((response) => response.text())).toEqual(["of the app", "of the app"]);
    expect(faults()).toBeGreaterThanOrEqual(2);
  });

  it.each<[what: string, options: GuardOptions]>([
    ["a logger", { logger: { info: fail, warn: fail, error: fail } }],
    ["errorContent", { errorContent: fail }],
  ])("no more than one of %s, reaches a client", async (_what, options) => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const { server } = await serve(() => fail(), options);
    const { responses, valid } = await exchange(server, [{ path: "/1" }, { path: "/2" }]);
    expect(valid).toBe(true);
    expect(responses.map(({ status }) => status)).toEqual([500, 500]);
    expect(warned.mock.calls).toHaveLength("logger" in options ? 1 : 0);
  });

  it("no more than one of an observer, reaches a client", async () => {
    const { guard, server, lines } = await serve((_request, response) => response.end("ok"));
    observe(guard, { onCurrent: fail, onIncident: fail, onSettled: fail });
    const { responses } = await exchange(server, [{ path: "/1" }, { path: "/2" }]);
    expect(responses.map((response) => response.text())).toEqual(["ok", "ok"]);
    expect(lines.filter(({ message }) => message === MESSAGES.observerFailed)).toHaveLength(1);
  });

  it("no more than one of a health check, or of who may see it, reaches a client", async () => {
    const { server, faults } = await serve((_request, response) => response.end("ok"), {
      health: { checks: { a: fail, b: () => Promise.reject(fault) }, details: fail },
    });
    const { responses } = await exchange(server, [{ path: "/health" }, { path: "/" }]);
    expect(responses.map(({ status }) => status)).toEqual([503, 200]);
    expect(faults()).toBe(0);
  });
});
