import { createServer, type ServerResponse } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import express5, { type NextFunction, type Request, type Response } from "express";
import { describe, expect, it } from "vitest";
import { rayguard } from "../adapters/express.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

const { default: express4 } = (await import("express4" as string)) as { default: typeof express5 };

const LATE_CALLS: Record<string, (response: ServerResponse) => unknown> = {
  setHeader: (response) => response.setHeader("X-Late", "1"),
  removeHeader: (response) => response.removeHeader("X-Late"),
  appendHeader: (response) => response.appendHeader("X-Late", "1"),
  setHeaders: (response) => response.setHeaders(new Map([["X-Late", "1"]])),
  writeHead: (response) => response.writeHead(200),
  redirect: (response) => (response as Response).redirect("/elsewhere"),
  write: (response) => response.write(5 as never),
  end: (response) => response.end(5 as never),
  json: (response) => (response as Response).json({}),
};

/** Ways for an error to come to Express's final handler. */
const FAILURES: Record<string, (next: NextFunction) => unknown> = {
  "next(error)": (next) => next(new Error("x")),
  "next(error) in a later turn": (next) => setTimeout(next, 5, new Error("x")),
  throw: () => {
    throw new Error("x");
  },
};

/** What each call does once the response is over: the code of its error, or its own outcome. */
async function lateCalls(
  framework: typeof express5,
  guarded: boolean,
  fail: (next: NextFunction) => unknown,
  method: string,
  when: string,
) {
  const app = framework();
  app.set("env", "test");
  const guard = guarded ? rayguard({ logger: false }) : undefined;
  if (guard) app.use(guard);
  const outcomes: Record<string, unknown> = {};
  let told = (): void => {};
  const isTold = new Promise<void>((resolve) => {
    told = resolve;
  });
  app.use((_request: Request, response: Response, next: NextFunction) => {
    response.once("finish", async () => {
      if (when === "later") await wait(10);
      for (const [name, call] of Object.entries(LATE_CALLS)) {
        try {
          call(response);
          outcomes[name] = "none";
        } catch (error) {
          outcomes[name] = (error as NodeJS.ErrnoException).code;
        }
      }
      if (when === "later")
        outcomes.own = Object.keys(response).includes("setHeader") || Object.keys(response).includes("removeHeader");
      told();
    });
    fail(next);
  });
  const server = await listen(createServer(app));
  const { responses, problems } = await exchange(server, { path: "/", method, body: method === "POST" ? "abc" : "" });
  await isTold;
  server.close();
  guard?.close();
  expect(problems).toEqual([]);
  expect(responses[0]?.status).toBe(500);
  return outcomes;
}

describe.each([
  ["4", express4],
  ["5", express5],
] as const)("Express %s, behind an error that its final handler has answered", (_, framework) => {
  describe.each([
    ["GET", "at finish"],
    ["GET", "later"],
    ["POST", "at finish"],
    ["POST", "later"],
  ])("%s, %s", (method, when) => {
    it.each(Object.keys(FAILURES))("after %s, calls fail as without the guard", async (how) => {
      const fail = FAILURES[how] as (next: NextFunction) => unknown;
      const bare = await lateCalls(framework, false, fail, method, when);
      expect(bare.setHeader).toBe("ERR_HTTP_HEADERS_SENT");
      expect(await lateCalls(framework, true, fail, method, when)).toEqual(bare);
    });
  });

  it("has no more listeners for each error that comes to it", async () => {
    const app = framework();
    app.set("env", "test");
    const guard = rayguard({ logger: false });
    app.use(guard);
    const counts: number[] = [];
    app.use((request: Request, response: Response, next: NextFunction) => {
      for (let n = 0; n < 6; n++) {
        next(new Error(`${n}`));
        counts.push(request.listenerCount("close") + request.listenerCount("end") + response.listenerCount("close"));
      }
    });
    const server = await listen(createServer(app));
    const { responses } = await exchange(server, { path: "/" });
    server.close();
    guard.close();
    expect(responses[0]?.status).toBe(500);
    expect(new Set(counts).size).toBe(1);
  });
});

/** Requests that come to the final handler, by what is told of them. */
const UNHANDLED: Record<string, { mount(app: express5.Express): unknown; request: object }> = {
  "content that is not JSON": {
    mount: (app) => app.use(express5.json()).post("/", (_request, response) => void response.end()),
    request: { method: "POST", headers: { "Content-Type": "application/json" }, body: "{no" },
  },
  "the same, in front of a middleware that passes errors on": {
    mount: (app) =>
      app.use(express5.json()).use((error: unknown, _: Request, __: Response, next: NextFunction) => next(error)),
    request: { method: "POST", headers: { "Content-Type": "application/json" }, body: "{no" },
  },
  "the same, in front of one under another path": {
    mount: (app) =>
      app
        .use(express5.json())
        .use("/other", (error: unknown, _: Request, __: Response, next: NextFunction) => next(error)),
    request: { method: "POST", headers: { "Content-Type": "application/json" }, body: "{no" },
  },
  "an error of a handler that has read the content": {
    mount: (app) => app.post("/", (request, _response, next) => void request.resume().on("end", () => next("x"))),
    request: { method: "POST", body: "abc" },
  },
  "no handler, once the content is read": {
    mount: (app) => {
      app.use((request, _response, next) => void request.resume().on("end", () => next()));
      app.get("/elsewhere", (_request, response) => void response.end());
    },
    request: { method: "POST", body: "abc" },
  },
};

async function orderOf(
  framework: typeof express5,
  mode: "enforce" | "report" | undefined,
  { mount, request }: (typeof UNHANDLED)[string],
) {
  const app = framework();
  app.set("env", "test");
  const guard = mode === undefined ? undefined : rayguard({ logger: false, mode });
  if (guard) app.use(guard);
  const events: string[] = [];
  let closed = () => {};
  const areClosed = new Promise<void>((resolve) => {
    let open = 2;
    closed = () => --open === 0 && resolve();
  });
  app.use((request: Request, response: Response, next: NextFunction) => {
    for (const event of ["end", "close"]) request.on(event, () => events.push(`request ${event}`));
    for (const event of ["prefinish", "finish", "close"]) response.on(event, () => events.push(`response ${event}`));
    request.once("close", closed);
    response.once("close", closed);
    next();
  });
  mount(app);
  if (guard && mode === "report") app.use(guard.errorHandler);
  const server = await listen(createServer(app));
  await exchange(server, { path: "/", ...request });
  await areClosed;
  server.close();
  guard?.close();
  return events;
}

describe.each([
  ["4", express4],
  ["5", express5],
] as const)("the order of events as the final handler of Express %s answers", (_, framework) => {
  describe.each(Object.entries(UNHANDLED))("%s", (_what, unhandled) => {
    it.each(["enforce", "report"] as const)("is that without the guard, in mode %s", async (mode) => {
      expect(await orderOf(framework, mode, unhandled)).toEqual(await orderOf(framework, undefined, unhandled));
    });
  });
});
