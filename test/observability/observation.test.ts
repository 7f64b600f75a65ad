import { createServer } from "node:http";
import { describe, expect, it, vi } from "vitest";
import { rayguard as expressGuard } from "../../adapters/express.js";
import { createGuard } from "../../src/index.js";
import { GuardCore } from "../../src/internals.js";
import { type Observer, observe } from "../../src/report/observation.js";
import { exchange } from "../../src/testing/index.js";
import { listen } from "../testing/servers.js";
import { drop } from "./origins.js";

/** An observer that notes what it is told. */
function noting(): { seen: string[]; observer: Observer } {
  const seen: string[] = [];
  const observer: Observer = {
    onCurrent: ({ request }) => seen.push(`current ${request?.url}`),
    onIncident: ({ code }, of) => seen.push(`incident ${code} ${of?.request?.url}`),
    onSettled: ({ request, outcome }) => seen.push(`settled ${request?.url} ${outcome}`),
  };
  return { seen, observer };
}

describe("an observer of a guard", () => {
  it("is told of each step of a request, and of health checks", async () => {
    const guard = createGuard({ logger: false });
    const server = await listen(guard.attach(createServer(guard.listener(drop))));
    const { seen, observer } = noting();
    observe(guard, observer);
    for (const path of ["/", "/drop", "/health"]) await exchange(server, { path });
    await vi.waitFor(() => expect(guard.stats().inFlight).toBe(0));
    expect(seen).toEqual([
      "current /",
      "current /",
      "settled / intact",
      "current /drop",
      "current /drop",
      "incident MC-2 /drop",
      "settled /drop replaced",
      "settled /health intact",
    ]);
  });

  it("is told of refusals, which have no line in the log", async () => {
    const guard = createGuard({ logger: false, overload: { maxInFlight: 1, maxQueued: 0 } });
    let answer: () => void = () => undefined;
    const origin = createServer((_request, response) => {
      answer = () => response.end("ok");
    });
    const server = await listen(guard.attach(origin));
    const { seen, observer } = noting();
    observe(guard, observer);
    const first = exchange(server, { path: "/first" });
    await vi.waitFor(() => expect(guard.stats().inFlight).toBe(1));
    for (const path of ["/a", "/b"]) await exchange(server, { path });
    answer();
    await first;
    expect(seen).toEqual(expect.arrayContaining(["incident OVERLOAD /a", "incident OVERLOAD /b"]));
  });

  it("is told nothing of another guard", async () => {
    const guards = [createGuard({ logger: false }), expressGuard({ logger: false })];
    const [mine, other] = await Promise.all(guards.map((guard) => listen(guard.attach(createServer(drop)))));
    const { seen, observer } = noting();
    observe(guards[0] as object, observer);
    await exchange(other as never, { path: "/drop" });
    expect(seen).toEqual([]);
    await exchange(mine as never, { path: "/drop" });
    expect(seen).toContain("incident MC-2 /drop");
  });

  it("harms neither the response nor the next observer when it fails", async () => {
    const guard = createGuard({ logger: false });
    const server = await listen(guard.attach(createServer(guard.listener(drop))));
    const fail = () => {
      throw new Error("an observer that fails");
    };
    const { seen, observer } = noting();
    observe(guard, { onCurrent: fail, onIncident: fail, onSettled: fail });
    observe(guard, observer);
    const { responses, valid } = await exchange(server, [{ path: "/" }, { path: "/drop" }]);
    expect([valid, ...responses.map(({ status }) => status)]).toEqual([true, 200, 500]);
    await vi.waitFor(() => expect(seen).toHaveLength(7));
  });

  it("leaves nothing behind, and the lint rules in place", async () => {
    const linted: string[] = [];
    const note = (_record: object, message: string) => linted.push(message);
    const guard = new GuardCore({ logger: { info() {}, warn: note, error: note }, lint: "report" });
    await import("../../src/validity/lint.js"); // the rules are loaded when the guard is made
    await new Promise((resolve) => setImmediate(resolve));
    const { supervisor } = guard;
    const { rendered } = supervisor;
    const { seen, observer } = noting();
    const undo = [observe(guard, observer), observe(guard, observer)];
    undo[0]?.();
    undo[0]?.();
    const origin = createServer((_request, response) => {
      response.writeHead(200, { "Content-Length": 0, Age: "very" }).end();
    });
    const server = await listen(guard.attach(origin));
    await exchange(server, { path: "/a" });
    await vi.waitFor(() => expect(seen).toEqual(["current /a", "settled /a intact"]));
    expect(linted).toContain("response could be better");
    undo[1]?.();
    expect(supervisor.rendered).toBe(rendered);
    await exchange(server, { path: "/b" });
    await vi.waitFor(() => expect(guard.stats().requests).toBe(2));
    expect(seen).toHaveLength(2);
  });
});
