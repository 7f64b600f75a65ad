import { createServer, type RequestListener } from "node:http";
import { describe, expect, it } from "vitest";
import { lookUp } from "../src/cli/rule/look-up.js";
import { createGuard, type Incident } from "../src/index.js";
import { EVENTS } from "../src/report/events.js";
import {
  firstByteDeadline,
  handlerError,
  idleDeadline,
  longContent,
  prematureClose,
  ruleBroken,
  shortContent,
} from "../src/report/incidents.js";
import { exchange } from "../src/testing/index.js";
import { RULES } from "../src/validity/catalogue.js";
import { isHarmless } from "../src/validity/edge-effects.js";
import { listen } from "./testing/servers.js";

const deadlines = { firstByteDeadlineMs: 10, idleDeadlineMs: 20 };

describe("a failure", () => {
  it.each([
    ["a handler that failed", handlerError(new Error("x")), 500, 520],
    ["a closed connection", prematureClose("res.destroy"), 500, 520],
    ["no answer in time", firstByteDeadline(deadlines), 503, 524],
    ["silence in an answer", idleDeadline(deadlines), 503, 524],
    ["short content", shortContent(5, 3), 500, 520],
    ["long content", longContent(3, 5), 500, null],
    ["a rule edges insist on", ruleBroken("FR-2", "The app sent words."), 500, 520],
    ["a rule no edge insists on", ruleBroken("FR-1", "The app sent both."), 500, null],
  ] as const)(
    "of %s says what was seen, what to do, and what it would have been",
    (_what, failure, status, prevented) => {
      expect(failure).toMatchObject({ status, prevented });
      expect(failure.code in RULES || failure.code in EVENTS).toBe(true);
      expect(failure.message).toMatch(/^[A-Z][^\n]*\.$/);
    },
  );

  it("names the numbers that were in force", () => {
    expect(firstByteDeadline(deadlines).message).toContain("10 ms");
    expect(idleDeadline(deadlines).message).toContain("20 ms");
    expect(shortContent(5, 3).message).toMatch(/5 octets.*3/);
  });
});

interface Departure {
  readonly what: string;
  readonly listener: RequestListener;
  readonly incident: Partial<Incident>;
}

describe("each departure from intact", () => {
  it.each<Departure>([
    {
      what: "a throw",
      listener: () => {
        throw new Error("x");
      },
      incident: { code: "HANDLER_ERROR", action: "replaced", prevented: 520, status: 500 },
    },
    {
      what: "a rejection",
      listener: (async () => {
        throw new Error("x");
      }) as RequestListener,
      incident: { code: "HANDLER_ERROR", action: "replaced", prevented: 520, status: 500 },
    },
    {
      what: "no answer",
      listener: () => {},
      incident: { code: "MC-10", action: "replaced", prevented: 524, status: 503 },
    },
    {
      what: "a wrong framing",
      listener: (_, r) => {
        r.writeHead(200, { "Content-Length": "2", "Transfer-Encoding": "chunked" }).end("ok");
      },
      incident: { code: "FR-1", action: "repaired", prevented: null, status: null },
    },
    {
      what: "content of a 205, in pieces",
      listener: (_, r) => {
        r.writeHead(205);
        r.write("a");
        r.write("b");
        r.end("c");
      },
      incident: { code: "FR-13", action: "repaired", prevented: null, status: null },
    },
    {
      what: "a destroy in mid-content",
      listener: (_, r) => {
        r.writeHead(200, { "Content-Type": "text/event-stream" });
        r.write("a", () => r.destroy());
      },
      incident: { code: "MC-2", action: "torn down", prevented: null, status: null },
    },
    {
      what: "a second answer, and a third",
      listener: (_, r) => {
        r.end("ok");
        r.end("again");
        r.end("and again");
      },
      incident: { code: "LATE_WRITE", action: "ignored", prevented: null, status: null },
    },
    {
      what: "a throw after the answer",
      listener: (_, r) => {
        r.end("ok");
        throw new Error("x");
      },
      incident: { code: "LATE_ERROR", action: "ignored", prevented: null, status: null },
    },
    {
      what: "a 502 of the app's own",
      listener: (_, r) => {
        r.writeHead(502).end("upstream");
      },
      incident: { code: "GATEWAY_STATUS", action: "repaired", status: null },
    },
    {
      what: "a flood of interim responses",
      listener: (_, r) => {
        for (let n = 0; n < 20; n++) r.writeProcessing();
        r.end("ok");
      },
      incident: { code: "IR-6", action: "repaired" },
    },
  ])("is one incident: $what", async ({ listener, incident }) => {
    const seen: { level: string; record: object; message: string }[] = [];
    const logger = {
      info: (record: object, message: string) => {
        if (message === "incident") seen.push({ level: "info", record, message });
      },
      warn: (record: object, message: string) => seen.push({ level: "warn", record, message }),
      error: (record: object, message: string) => seen.push({ level: "error", record, message }),
    };
    const guard = createGuard({ trust: "loopback", logger, firstByteDeadlineMs: 30 });
    const server = await listen(guard.attach(createServer(listener)));
    await exchange(server, { path: "/a?b=c", headers: { "CF-RAY": "0123456789abcdef-FRA" } });
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({
      level: isHarmless(incident.code as string)
        ? "info"
        : ["replaced", "torn down"].includes(incident.action as string)
          ? "error"
          : "warn",
      message: "incident",
      record: { ray: "0123456789abcdef", colo: "FRA", method: "GET", url: "/a?b=c", verified: true, ...incident },
    });
    expect(seen[0]?.record).toMatchObject({ reason: expect.stringMatching(/^[A-Z][^\n]*\.$/) });
    expect(guard.stats().incidents).toEqual({ [incident.code as string]: 1 });
  });

  it.each(["FR-2", "HF-18", "SL-3"])("names the command that says more of %s", (rule) => {
    expect(ruleBroken(rule, "The app did it.").message).toBe(`The app did it. Run npx rayguard rule ${rule} for more.`);
    expect(lookUp(rule)?.code).toBe(rule);
  });

  it("names the command that says more only for what is a rule", async () => {
    const reasons: string[] = [];
    const note = (record: object) => reasons.push((record as { reason: string }).reason);
    const guard = createGuard({ logger: { info() {}, warn: note, error: note } });
    const server = createServer((_request, response) => response.writeHead(504).end());
    await exchange(await listen(guard.attach(server)), { path: "/" });
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).not.toContain("rayguard rule");
  });
});

describe("a 4xx that the app throws", () => {
  it("is its answer, and no incident", async () => {
    const guard = createGuard({ logger: false });
    const server = createServer(() => {
      throw Object.assign(new Error("no"), { status: 404 });
    });
    const { responses } = await exchange(await listen(guard.attach(server)), { path: "/" });
    expect(responses[0]?.status).toBe(404);
    expect(guard.stats()).toMatchObject({ incidents: {}, outcomes: { intact: 1 } });
  });
});
