import { createServer, type RequestListener } from "node:http";
import { context, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import express from "express";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { rayguard as expressGuard } from "../../adapters/express.js";
import { createGuard, type Guard } from "../../src/index.js";
import { GuardCore } from "../../src/internals.js";
import { instrument } from "../../src/telemetry/opentelemetry.js";
import { exchange } from "../../src/testing/index.js";
import { listen } from "../testing/servers.js";
import { instrumentHttp } from "./http-instrumentation.js";
import { drop, ORIGINS } from "./origins.js";

const exporter = new InMemorySpanExporter();
const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const ends: (() => unknown)[] = [];

beforeEach(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  ends.push(instrumentHttp(tracerProvider.getTracer("http")));
});

afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  context.disable();
  exporter.reset();
});

const RAY = { headers: { "CF-RAY": "0123456789abcdef-FRA", "CF-Connecting-IP": "203.0.113.7" } };

/** Instruments a guard until the end of the test. */
function instrumented(guard: Guard, options: Parameters<typeof instrument>[1] = {}): void {
  ends.push(instrument(guard, options));
}

/** The spans that have ended, once there are as many. */
async function spans(count: number): Promise<ReadableSpan[]> {
  await vi.waitFor(() => expect(exporter.getFinishedSpans()).toHaveLength(count));
  return exporter.getFinishedSpans();
}

const eventsOf = (span: ReadableSpan | undefined) => span?.events.map(({ name, attributes }) => ({ name, attributes }));

const dropped = {
  name: "rayguard.incident",
  attributes: {
    "rayguard.incident.code": "MC-2",
    "rayguard.incident.action": "replaced",
    "rayguard.incident.message": expect.stringMatching(/^The app closed the connection .*\.$/),
    "rayguard.prevented.status_code": 520,
  },
};

describe.each(Object.entries(ORIGINS))("the span of a request to an origin server on %s", (_name, start) => {
  it("tells where the request came from, its outcome and its incidents", async () => {
    const { server, guard, close } = await start();
    ends.push(close);
    instrumented(guard);
    await exchange(server, { path: "/", ...RAY });
    await exchange(server, { path: "/drop", ...RAY });
    const [intact, replaced] = await spans(2);
    const clientIp = intact?.attributes["client.address"];
    expect(clientIp).toMatch(/^(?:203\.0\.113\.7|127\.0\.0\.1)$/);
    const origin = { "client.address": clientIp, "cloudflare.ray_id": "0123456789abcdef", "cloudflare.colo": "FRA" };
    expect(intact?.attributes).toEqual({ ...origin, "rayguard.outcome": "intact" });
    expect(intact?.events).toEqual([]);
    expect(replaced?.attributes).toEqual({ ...origin, "rayguard.outcome": "replaced", "rayguard.incident": "MC-2" });
    expect(eventsOf(replaced)).toEqual([dropped]);
  });

  it("is left alone once it is undone", async () => {
    const { server, guard, close } = await start();
    ends.push(close);
    const undo = instrument(guard);
    undo();
    await exchange(server, { path: "/drop", ...RAY });
    const [span] = await spans(1);
    expect(span?.attributes).toEqual({ "client.address": "set by the instrumentation" });
    expect(span?.events).toEqual([]);
  });
});

describe("a request without CF-RAY", () => {
  it("has no Ray ID on its span", async () => {
    const guard = createGuard({ logger: false });
    const server = await listen(guard.attach(createServer(guard.listener(drop))));
    instrumented(guard);
    await exchange(server, { path: "/", headers: { "CF-RAY": "forged" } });
    const [span] = await spans(1);
    expect(span?.attributes).toEqual({ "client.address": "127.0.0.1", "rayguard.outcome": "intact" });
  });
});

describe("a server that is attached, with a listener that is not wrapped", () => {
  it("gets the notes with the header section of the response", async () => {
    const guard = createGuard({ logger: false });
    const server = await listen(guard.attach(createServer(drop)));
    instrumented(guard);
    await exchange(server, { path: "/", ...RAY });
    await exchange(server, { path: "/drop", ...RAY });
    const [intact, replaced] = await spans(2);
    expect(intact?.attributes).toMatchObject({ "cloudflare.ray_id": "0123456789abcdef", "rayguard.outcome": "intact" });
    expect(replaced?.attributes).toMatchObject({ "cloudflare.ray_id": "0123456789abcdef" });
    expect(eventsOf(replaced)).toEqual([dropped]);
  });
});

describe("requests that run into their deadline together", () => {
  it.each([
    ["wrapped", true],
    ["not wrapped", false],
  ])("never have their incidents on the span of another, with a listener that is %s", async (_how, isWrapped) => {
    const guard = createGuard({ logger: false, firstByteDeadlineMs: 50 });
    const never: RequestListener = () => undefined;
    const server = await listen(guard.attach(createServer(isWrapped ? guard.listener(never) : never)));
    instrumented(guard);
    const digits = ["a", "b", "c"];
    await Promise.all(
      digits.map((digit) => exchange(server, { path: `/${digit}`, headers: { "CF-RAY": digit.repeat(16) } })),
    );
    for (const span of await spans(3)) {
      expect(span.events).toHaveLength(isWrapped ? 1 : 0);
      const ray = span.attributes["cloudflare.ray_id"];
      expect(ray).toBe(isWrapped ? span.name.slice(-1).repeat(16) : undefined);
    }
  });
});

describe("a span of a middleware in front of the guard", () => {
  it("is not the one of the request", async () => {
    const guard = expressGuard({ logger: false });
    const app = express();
    const tracer = tracerProvider.getTracer("express");
    app.use((_request, _response, next) => {
      tracer.startActiveSpan("middleware", (span) => {
        next();
        span.end();
      });
    });
    app.use(guard);
    app.use(drop);
    const server = await listen(createServer(app));
    instrumented(guard);
    await exchange(server, { path: "/drop", ...RAY });
    const [middleware, request] = await spans(2);
    expect([middleware?.name, middleware?.attributes, middleware?.events]).toEqual(["middleware", {}, []]);
    expect(eventsOf(request)).toEqual([dropped]);
  });
});

describe("a span of the user's own, without an instrumentation of HTTP", () => {
  it("is the one of the request", async () => {
    ends.shift()?.(); // takes the instrumentation away
    const guard = createGuard({ logger: false });
    const listener = guard.listener(drop);
    const tracer = tracerProvider.getTracer("own");
    const server = createServer((request, response) => {
      tracer.startActiveSpan("own", (span) => {
        response.once("close", () => span.end());
        listener(request, response);
      });
    });
    await listen(guard.attach(server));
    instrumented(guard);
    await exchange(server, { path: "/drop", ...RAY });
    const [span] = await spans(1);
    expect(span?.attributes).toMatchObject({ "cloudflare.ray_id": "0123456789abcdef" });
    expect(eventsOf(span)).toEqual([dropped]);
  });
});

describe("an incident after the span has ended", () => {
  const late = async (options: Parameters<typeof instrument>[1]) => {
    const guard = createGuard({ logger: false });
    let isOver: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      isOver = resolve;
    });
    const listener: RequestListener = (_request, response) => {
      response.end("ok");
      response.once("close", () => {
        setImmediate(() => {
          response.write("more");
          isOver();
        });
      });
    };
    const server = await listen(guard.attach(createServer(guard.listener(listener))));
    instrumented(guard, options);
    await exchange(server, { path: "/", ...RAY });
    await over;
    expect(guard.stats().incidents).toEqual({ LATE_WRITE: 1 });
  };

  it("becomes a span of its own in the same trace, where there is a tracer provider", async () => {
    await late({ tracerProvider });
    const [request, incident] = await spans(2);
    expect(request?.events).toEqual([]);
    expect(incident?.name).toBe("rayguard.incident");
    expect(incident?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId);
    expect(incident?.spanContext().traceId).toBe(request?.spanContext().traceId);
    expect(incident?.attributes).toEqual({
      "rayguard.incident.code": "LATE_WRITE",
      "rayguard.incident.action": "ignored",
      "rayguard.incident.message": expect.stringMatching(/^The app wrote/),
    });
  });

  it("is left out without one", async () => {
    await late({});
    const [request, ...others] = await spans(1);
    expect([request?.events, others]).toEqual([[], []]);
  });
});

describe("a response that breaks off", () => {
  it("has its outcome on the span, too", async () => {
    const guard = createGuard({ logger: false });
    const cut: RequestListener = (_request, response) => {
      response.write(Buffer.alloc(100_000), () => response.destroy());
    };
    const server = await listen(guard.attach(createServer(guard.listener(cut))));
    instrumented(guard);
    await exchange(server, { path: "/", ...RAY });
    const [span] = await spans(1);
    expect(span?.attributes).toMatchObject({ "rayguard.outcome": "torn down", "rayguard.incident": "MC-2" });
    expect(span?.events).toMatchObject([{ attributes: { "rayguard.incident.action": "torn down" } }]);
  });
});

describe("an incident that concerns no request", () => {
  it("is a trace of its own, where there is a tracer provider", async () => {
    const guard = new GuardCore({ logger: false });
    instrumented(guard, { tracerProvider });
    tracerProvider.getTracer("app").startActiveSpan("unconcerned", (span) => {
      guard.supervisor.reporter.blocked(1_500, null);
      span.end();
    });
    const [incident, unconcerned] = await spans(2);
    expect(incident?.attributes).toMatchObject({ "rayguard.incident.code": "BLOCKED" });
    expect(incident?.parentSpanContext).toBeUndefined();
    expect(unconcerned?.events).toEqual([]);
  });
});

describe("what an app's error says", () => {
  it("is on no span", async () => {
    const guard = createGuard({ logger: false });
    const listener: RequestListener = () => {
      throw new Error("password is hunter2");
    };
    const server = await listen(guard.attach(createServer(guard.listener(listener))));
    instrumented(guard, { tracerProvider });
    await exchange(server, { path: "/login?token=hunter2x", ...RAY });
    const [span] = await spans(1);
    expect(eventsOf(span)).toMatchObject([{ attributes: { "rayguard.incident.code": "HANDLER_ERROR" } }]);
    expect(JSON.stringify([span?.attributes, span?.events])).not.toContain("hunter2");
  });
});

describe("two guards", () => {
  it("note only what is theirs", async () => {
    const [one, other] = [createGuard({ logger: false }), createGuard({ logger: false })];
    const servers = await Promise.all(
      [one, other].map((guard) => listen(guard.attach(createServer(guard.listener(drop))))),
    );
    instrumented(one);
    for (const server of servers) await exchange(server, { path: "/drop", ...RAY });
    const [noted, bare] = await spans(2);
    expect(eventsOf(noted)).toEqual([dropped]);
    expect([bare?.events, bare?.attributes["cloudflare.ray_id"]]).toEqual([[], undefined]);
  });
});

describe("a span that is not recorded", () => {
  it("is not touched", async () => {
    ends.shift()?.();
    const guard = createGuard({ logger: false });
    const listener = guard.listener(drop);
    const unsampled = trace.wrapSpanContext({ traceId: "1".repeat(32), spanId: "1".repeat(16), traceFlags: 0 });
    const server = createServer((request, response) => {
      context.with(trace.setSpan(ROOT_CONTEXT, unsampled), () => listener(request, response));
    });
    await listen(guard.attach(server));
    instrumented(guard);
    const { responses } = await exchange(server, { path: "/drop", ...RAY });
    expect(responses[0]?.status).toBe(500);
    expect(exporter.getFinishedSpans()).toEqual([]);
  });
});
