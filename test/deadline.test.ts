import { createServer, type RequestListener } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DeadlineQueue, type Waiting } from "../src/exchange/deadline-queue.js";
import { Deadlines } from "../src/exchange/deadlines.js";
import type { Exchange } from "../src/exchange/exchange.js";
import { PHASES } from "../src/exchange/state.js";
import { createGuard, type GuardOptions } from "../src/index.js";
import { resolveOptions } from "../src/options/options.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

vi.mock("../src/clock.js", () => import("./helpers/global-clock.js"));

function entry(): Waiting {
  return { queue: null, previous: null, next: null, dueAt: 0 };
}

describe("a DeadlineQueue", () => {
  let due: Waiting[] = [];

  beforeEach(() => {
    due = [];
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function queue(ms: number): DeadlineQueue {
    return new DeadlineQueue(ms, (one) => due.push(one));
  }

  it("tells of each entry once, when its time has come and not before", () => {
    const [a, b] = [entry(), entry()];
    const waiting = queue(100);
    waiting.add(a, performance.now());
    vi.advanceTimersByTime(60);
    waiting.add(b, performance.now());
    vi.advanceTimersByTime(39);
    expect(due).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(due).toEqual([a]);
    vi.advanceTimersByTime(59);
    expect(due).toEqual([a]);
    vi.advanceTimersByTime(1);
    expect(due).toEqual([a, b]);
    vi.advanceTimersByTime(1_000);
    expect(due).toHaveLength(2);
  });

  it("serves any number of entries with one timer", () => {
    const waiting = queue(100);
    for (let n = 0; n < 1_000; n++) waiting.add(entry(), performance.now());
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(100);
    expect(due).toHaveLength(1_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("keeps to one timer where an entry goes back while another is still waiting, and stops it", () => {
    const [a, b] = [entry(), entry()];
    const waiting: DeadlineQueue = new DeadlineQueue(100, (one) => {
      due.push(one);
      if (due.length === 1) waiting.add(one, performance.now());
    });
    waiting.add(a, performance.now());
    vi.advanceTimersByTime(50);
    waiting.add(b, performance.now());
    vi.advanceTimersByTime(50);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(50);
    expect(due).toEqual([a, b]);
    waiting.clear();
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([0, 1, 2])("forgets entry %d of three when it is removed", (index) => {
    const three = [entry(), entry(), entry()];
    const waiting = queue(100);
    for (const one of three) waiting.add(one, performance.now());
    const removed = three[index] as Waiting;
    waiting.remove(removed);
    expect(removed).toEqual({ queue: null, previous: null, next: null, dueAt: expect.any(Number) });
    waiting.remove(removed);
    vi.advanceTimersByTime(100);
    expect(due).toEqual(three.filter((one) => one !== removed));
  });

  it("counts from the last time an entry was added", () => {
    const [a, b] = [entry(), entry()];
    const waiting = queue(100);
    waiting.add(a, performance.now());
    waiting.add(b, performance.now());
    vi.advanceTimersByTime(50);
    waiting.add(a, performance.now());
    vi.advanceTimersByTime(50);
    expect(due).toEqual([b]);
    vi.advanceTimersByTime(50);
    expect(due).toEqual([b, a]);
  });

  it("takes an entry over from another queue", () => {
    const a = entry();
    const [first, second] = [queue(10), queue(100)];
    first.add(a, performance.now());
    second.add(a, performance.now());
    vi.advanceTimersByTime(99);
    expect(due).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(due).toEqual([a]);
  });

  it("lets entries be added and removed while it tells of others", () => {
    const [a, b, c] = [entry(), entry(), entry()];
    const waiting: DeadlineQueue = new DeadlineQueue(100, (one) => {
      due.push(one);
      if (one === a) {
        waiting.remove(b);
        waiting.add(c, performance.now());
      }
    });
    waiting.add(a, performance.now());
    waiting.add(b, performance.now());
    vi.advanceTimersByTime(100);
    expect(due).toEqual([a]);
    vi.advanceTimersByTime(100);
    expect(due).toEqual([a, c]);
  });

  it("forgets everything, its timer as well, when it is cleared", () => {
    const waiting = queue(100);
    waiting.add(entry(), performance.now());
    waiting.clear();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(1_000);
    expect(due).toEqual([]);
  });
});

describe("a DeadlineQueue whose timer fires late", () => {
  it("tells after two turns of what was due, and later of what was added meanwhile", async () => {
    const due: string[] = [];
    const [a, b] = [entry(), entry()];
    const block = (ms: number) => {
      for (const until = performance.now() + ms; performance.now() < until; );
    };
    let tell = (_at: number) => {};
    const toldAt = new Promise<number>((resolve) => {
      tell = resolve;
    });
    const onDue = (one: Waiting) => {
      due.push(one === a ? "a" : "b");
      if (one === a) queueMicrotask(() => due.push("behind the sweep"));
      else tell(performance.now());
    };
    const waiting = new DeadlineQueue(10, onDue, 2);
    waiting.add(a, performance.now());
    // Timers that are overdue fire one behind the other, the queue's first.
    setTimeout(() => {
      due.push("another timer");
      waiting.add(b, performance.now());
      setImmediate(() => due.push("the turn"));
      block(15); // by the time of the sweep this one is overdue as well, and has not had its turns
    }, 11);
    block(30);
    expect(await toldAt).toBeGreaterThanOrEqual(b.dueAt);
    expect(due).toEqual(["another timer", "the turn", "a", "behind the sweep", "b"]);
    waiting.clear();
  });
});

async function serve(listener: RequestListener, options: GuardOptions = {}) {
  const guard = createGuard({ logger: false, firstByteDeadlineMs: 40, idleDeadlineMs: 40, ...options });
  return { guard, server: await listen(guard.attach(createServer(listener))) };
}

describe("no answer", () => {
  it("is answered with 503 and Retry-After once the deadline has passed, and the connection goes on", async () => {
    const { server, guard } = await serve((request, response) => {
      if (request.url === "/2") response.end("ok");
    });
    const { valid, responses, ms } = await exchange(server, [{ path: "/1" }, { path: "/2" }]);
    expect(valid).toBe(true);
    expect(responses.map(({ status }) => status)).toEqual([503, 200]);
    expect(responses[0]?.field("retry-after")).toBe("5");
    expect(ms).toBeGreaterThanOrEqual(39);
    expect(guard.stats()).toMatchObject({ incidents: { "MC-10": 1 }, prevented: { "524": 1 } });
  });

  it.each<[how: string, listener: RequestListener]>([
    ["the header section is decided", (_request, response) => void response.writeHead(200, { "X-Mine": "1" })],
    [
      "content is corked for good",
      (_request, response) => {
        response.cork();
        response.write("ab");
      },
    ],
  ])("is answered although %s", async (_how, listener) => {
    const { server } = await serve(listener);
    const { valid, responses, timedOut } = await exchange(server, { path: "/" }, { timeoutMs: 1_000 });
    expect(timedOut).toBe(false);
    expect(responses.map(({ status }) => status)).toEqual([503]);
    expect(valid).toBe(true);
  });

  it("is left alone where the deadline is off", async () => {
    const { server } = await serve(() => {}, { firstByteDeadlineMs: false });
    const { timedOut, octets } = await exchange(server, { path: "/" }, { timeoutMs: 150 });
    expect(timedOut).toBe(true);
    expect(octets).toHaveLength(0);
  });

  it("lets the handler write on into the void", async () => {
    let late: unknown;
    const { server } = await serve((_request, response) => {
      setTimeout(() => {
        try {
          response.setHeader("X-Late", "1");
          response.writeHead(200).end("late");
          late = "harmless";
        } catch (error) {
          late = error;
        }
      }, 60);
    });
    const { valid, responses } = await exchange(server, { path: "/" }, { keepOpenMs: 60 });
    expect(valid).toBe(true);
    expect(responses.map(({ status }) => status)).toEqual([503]);
    expect(late).toBe("harmless");
  });
});

describe("an upload in progress", () => {
  it("is not cut, however long it takes, and is answered in the end", async () => {
    const { server } = await serve(
      (request, response) => {
        request.resume();
        request.on("end", () => response.end("all"));
      },
      { firstByteDeadlineMs: 150 },
    );
    const octets = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n${"x".repeat(40)}`;
    const { responses, valid, ms } = await exchange(server, octets, { writes: { chunkOctets: 8, delayMs: 60 } });
    expect(ms).toBeGreaterThan(200);
    expect(valid).toBe(true);
    expect(responses[0]?.text()).toBe("all");
  });

  it("that stalls is answered with 503", async () => {
    const { server } = await serve((request) => request.resume());
    const { responses } = await exchange(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\nxx");
    expect(responses.map(({ status, complete }) => [status, complete])).toEqual([[503, true]]);
  });
});

describe("silence inside a committed response", () => {
  it.each([
    ["with a length", { "Content-Length": "9" }],
    ["in chunks", {}],
  ])("cuts it visibly, %s", async (_how, headers) => {
    const { server, guard } = await serve(
      (_request, response) => {
        response.writeHead(200, headers);
        response.write("abc");
      },
      { holdBackOctets: 0 },
    );
    const { responses, valid } = await exchange(server, { path: "/" });
    expect(valid).toBe(false);
    expect(responses[0]).toMatchObject({ status: 200, complete: false });
    await expect.poll(() => guard.stats().outcomes["torn down"]).toBe(1);
  });

  it("never comes while it keeps moving", async () => {
    const { server } = await serve(
      async (_request, response) => {
        for (let n = 0; n < 10; n++) {
          response.write("x");
          await wait(40);
        }
        response.end();
      },
      { holdBackOctets: 0, idleDeadlineMs: 250 },
    );
    const { responses, valid, ms } = await exchange(server, { path: "/" });
    expect(ms).toBeGreaterThan(300);
    expect(valid).toBe(true);
    expect(responses[0]?.text()).toBe("x".repeat(10));
  });

  it("is not the client's slowness: a response that is read slowly goes on", async () => {
    const content = Buffer.alloc(4_000_000, "x");
    const { server } = await serve((_request, response) => response.end(content));
    const { responses, valid } = await exchange(server, { path: "/" }, { pauseReadingMs: 30 });
    expect(valid).toBe(true);
    expect(responses[0]?.content.length).toBe(4_000_000);
  });
});

describe("req.rayguard.deadline()", () => {
  it("gives one request longer, another for ever, a third less", async () => {
    const { server } = await serve(async (request, response) => {
      if (request.url === "/less") request.rayguard?.deadline(10);
      else {
        request.rayguard?.deadline(request.url === "/longer" ? 5_000 : false);
        await wait(80);
        response.end("ok");
      }
    });
    const { responses } = await exchange(server, [{ path: "/longer" }, { path: "/for-ever" }, { path: "/less" }]);
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 503]);
  });

  it("counts from the call", async () => {
    const { server } = await serve(async (request, response) => {
      await wait(25);
      request.rayguard?.deadline(40);
      await wait(25);
      response.end("ok");
    });
    expect((await exchange(server, { path: "/" })).responses[0]?.status).toBe(200);
  });

  it("refuses what is no duration, to the caller", async () => {
    const { server } = await serve((request, response) => {
      try {
        request.rayguard?.deadline(0);
      } catch (error) {
        response.end(String((error as { code: unknown }).code));
      }
    });
    expect((await exchange(server, { path: "/" })).responses[0]?.text()).toBe("ERR_RAYGUARD_INVALID_ARGUMENT");
  });

  it("does nothing once the request is over", async () => {
    let again = () => {};
    const { server, guard } = await serve((request, response) => {
      const context = request.rayguard;
      again = () => context?.deadline(5);
      response.end("ok");
    });
    await exchange(server, { path: "/" });
    again();
    await wait(20);
    expect(guard.stats()).toMatchObject({ incidents: {}, requests: 1 });
  });
});

describe("waits of many lengths", () => {
  it("share a bounded number of timers, however many numbers routes ask for, and leave none behind", () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const settings = resolveOptions();
    const deadlines = new Deadlines(settings, { ownFailure: expect.unreachable });
    const requests = Array.from({ length: 5_000 }, (_, n) => {
      const own = { ...settings, firstByteDeadlineMs: 10_000 + n * 17, recipientDeadlineMs: false as const };
      return { ...entry(), settings: own, phase: PHASES.open, watched: null, movedAt: 0 };
    });
    for (const one of requests) deadlines.watch(one as unknown as Exchange);
    expect(vi.getTimerCount()).toBeLessThan(100);
    expect([...deadlines.exchanges()]).toHaveLength(requests.length);
    for (const one of requests) (one as Waiting).queue?.remove(one);
    vi.advanceTimersByTime(10_000);
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it.each([7, 99, 123, 457, 1_234])("end each at its own time: %d ms", async (limit) => {
    let startedAt = 0;
    let endedAt = 0;
    const { server } = await serve((request) => {
      startedAt = performance.now();
      request.rayguard?.deadline(limit);
      request.rayguard?.signal.addEventListener("abort", () => {
        endedAt = performance.now();
      });
    });
    expect((await exchange(server, { path: "/" })).responses[0]?.status).toBe(503);
    expect(endedAt - startedAt).toBeGreaterThanOrEqual(limit - 2);
  });
});

describe("timers", () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

  it("do not keep the process alive, and none is left once the guard is closed", async () => {
    const before = timers();
    const { server, guard } = await serve((_request, response) => response.end("ok"), { firstByteDeadlineMs: 60_000 });
    await exchange(
      server,
      Array.from({ length: 20 }, (_, n) => ({ path: `/${n}` })),
    );
    guard.close();
    server.close();
    // An unref'ed timer is no active resource; neither is one that is cleared.
    expect(timers()).toBeLessThanOrEqual(before);
    expect(guard.state).toBe("closed");
  });
});
