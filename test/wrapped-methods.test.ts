import { createServer, type RequestListener, ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type express from "express";
import { afterEach, describe, expect, it } from "vitest";
import { rayguard } from "../adapters/express.js";
import { createGuard } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

// Instrumentation wraps one method of a response and calls the one it has found before, which may be older than the guard's.

type Method = (this: unknown, ...args: unknown[]) => unknown;
type Methods = Record<string, Method>;

const NAMES = [
  "emit",
  "end",
  "write",
  "writeHead",
  "detachSocket",
  "assignSocket",
  "destroy",
  "setHeader",
  "flushHeaders",
  "_send",
  "_writeRaw",
  "_storeHeader",
  "_flushOutput",
  "_implicitHeader",
];

/** Methods of Node before any guard of this process has been made. */
const bare = Object.fromEntries(NAMES.map((name) => [name, (ServerResponse.prototype as unknown as Methods)[name]]));

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0)) step();
});

/** Wraps a method; calls the one that is there, or the one that Node had. */
function wrap(target: object, name: string, which: "present" | "bare"): void {
  const own = Object.getOwnPropertyDescriptor(target, name);
  const below = (which === "bare" ? bare[name] : (target as Methods)[name]) as Method;
  (target as Methods)[name] = function (...args) {
    return below.apply(this, args);
  };
  undo.push(() => {
    if (own === undefined) delete (target as Methods)[name];
    else Object.defineProperty(target, name, own);
  });
}

const require = createRequire(import.meta.url);

/** A copy of Express whose prototypes nobody has touched. */
function freshExpress(name: string): typeof express {
  for (const path of Object.keys(require.cache))
    if (path.includes(`/node_modules/${name}/lib/`)) delete require.cache[path];
  return require(name) as typeof express;
}

const GET = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

/** Sends three requests on one connection, two of them at once, and returns the statuses. */
async function statuses(server: ReturnType<typeof createServer>): Promise<(number | undefined)[]> {
  const { responses, problems } = await exchange(server.listening ? server : await listen(server), GET + GET + GET, {
    timeoutMs: 3_000,
  });
  expect(problems).toEqual([]);
  return responses.map(({ status }) => status);
}

/** One answer in pieces, with a length, and one as a whole. */
const answer: RequestListener = (_request, response) => {
  response.setHeader("Content-Length", "4");
  response.write("ab");
  setImmediate(() => response.end("cd"));
};

const OPTIONS = { logger: false, firstByteDeadlineMs: 1_000 } as const;

describe.each(["present", "bare"] as const)("a wrapper that calls the method %s when it was made", (which) => {
  describe.each(NAMES)("of %s", (name) => {
    it("on the prototype of node:http, before the guard is attached", async () => {
      wrap(ServerResponse.prototype, name, which);
      const server = createServer(answer);
      const guard = createGuard(OPTIONS);
      guard.attach(server);
      expect(await statuses(server)).toEqual([200, 200, 200]);
      await expect.poll(() => guard.stats().inFlight).toBe(0);
      guard.close();
    });

    it("on the prototype of node:http, after the guard is attached", async () => {
      const server = createServer(answer);
      const guard = createGuard(OPTIONS);
      guard.attach(server);
      wrap(ServerResponse.prototype, name, which);
      expect(await statuses(server)).toEqual([200, 200, 200]);
      guard.close();
    });

    it("on the response itself", async () => {
      const guard = createGuard(OPTIONS);
      const server = createServer((request, response) => {
        wrap(response, name, which);
        answer(request, response as never);
      });
      guard.attach(server);
      expect(await statuses(server)).toEqual([200, 200, 200]);
      guard.close();
    });

    it.each(["express", "express4"])("on app.response of %s, before and after the first request", async (version) => {
      for (const attached of [true, false]) {
        const app = freshExpress(version)();
        wrap(app.response, name, which);
        const guard = rayguard(OPTIONS);
        app.use(guard);
        app.get("/a", answer as never);
        const server = createServer(app as RequestListener);
        if (attached) guard.attach(server);
        expect(await statuses(server)).toEqual([200, 200, 200]);
        wrap(app.response, name, which);
        expect(await statuses(server)).toEqual([200, 200, 200]);
        await expect.poll(() => guard.stats().inFlight).toBe(0);
        guard.close();
      }
    });
  });
});

describe.each(["express", "express4"])("a method of app.response of %s that counts its arguments", (version) => {
  it.each(["enforce", "report"] as const)("is given those of the app, in mode %s", async (mode) => {
    const counts: string[] = [];
    const app = freshExpress(version)();
    for (const name of ["write", "end"]) {
      const below = (app.response as unknown as Methods)[name] as Method;
      (app.response as unknown as Methods)[name] = function (...args) {
        counts.push(`${name} ${args.length}`);
        return below.apply(this, args);
      };
    }
    const guard = rayguard({ ...OPTIONS, mode });
    app.use(guard);
    app.get("/a", (_request, response) => {
      response.write("a");
      response.write("b", "latin1");
      response.end();
    });
    const server = createServer(app as RequestListener);
    expect(await statuses(server)).toEqual([200, 200, 200]);
    expect(counts.slice(0, 3)).toEqual(["write 1", "write 2", "end 0"]);
    guard.close();
  });
});
