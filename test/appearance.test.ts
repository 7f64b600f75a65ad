import { createServer, IncomingMessage, type RequestListener, type Server, ServerResponse } from "node:http";
import express from "express";
import fastify from "fastify";
import { describe, expect, it } from "vitest";
import { exchange } from "../src/testing/index.js";
import { appearance } from "./helpers/appearance.js";
import { listen } from "./testing/servers.js";

type Seen = Record<string, Record<string, unknown>>;

/** What a request listener sees, at first and after its answer. */
function looking(seen: Seen): RequestListener {
  return (request, response) => {
    const { socket } = request;
    for (const [name, object] of Object.entries({ request, response, socket })) seen[name] = appearance(object);
    response.on("close", () => {
      for (const [name, object] of Object.entries({ request, response })) seen[`${name} after`] = appearance(object);
    });
    response.end("ok");
  };
}

/** Requests twice on one connection: what is done at the first sight of an app must not show either. */
async function see(make: (listener: RequestListener) => Server | Promise<Server>): Promise<Seen> {
  const seen: Seen = {};
  const listening = await make(looking(seen));
  const server = listening.listening ? listening : await listen(listening);
  const get = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
  const { problems } = await exchange(server, get + get.replace("Host", "Connection: close\r\nHost"));
  expect(problems).toEqual([]);
  // Listeners and two methods on a server are the guard's own, and need not be hidden; they are not listed either.
  const { listeners, keys, inherited, ...looks } = appearance(server);
  seen.server = { ...looks, shown: String(looks.shown).replace(/_events: \[[^[]*\] \{[^}]*\}/, "") };
  return seen;
}

const APPS = {
  node: (listener: RequestListener) => createServer(listener),
  express: (listener: RequestListener) => createServer(express().use(listener) as RequestListener),
};

// Before the guard is loaded: nothing of it is in this process yet.
const bare = Object.fromEntries(
  await Promise.all(Object.entries(APPS).map(async ([name, make]) => [name, await see(make)] as const)),
);
const { createGuard } = await import("../src/index.js");
const { rayguard } = await import("../adapters/express.js");
const { default: plugin } = await import("../adapters/fastify.js");

function expectAlike(what: string, looks: Seen[string] | undefined, like: Seen[string] | undefined): void {
  expect({ what, ...looks }).toEqual({ what, ...like });
}

describe.each(["enforce", "report"] as const)("in mode %s", (mode) => {
  const options = { mode, logger: false } as const;

  it.each(Object.keys(APPS) as (keyof typeof APPS)[])(
    "request, response, socket and server of %s look like Node's own",
    async (name) => {
      const seen = await see((listener) => createGuard(options).attach(APPS[name](listener)));
      expect(Object.keys(seen)).toEqual(Object.keys(bare[name] as Seen));
      for (const [what, looks] of Object.entries(seen)) expectAlike(what, looks, bare[name]?.[what]);
    },
  );

  it("a guard that is only Express middleware does not show", async () => {
    const seen = await see((listener) =>
      createServer(express().use(rayguard(options)).use(listener) as RequestListener),
    );
    for (const what of ["request", "response", "socket", "request after", "response after"])
      expectAlike(what, seen[what], bare.express?.[what]);
  });

  it("requests and responses of Fastify are on Node's own prototypes", async () => {
    const app = fastify();
    await app.register(plugin, options);
    let own: unknown[] = [];
    app.get("/", (request, reply) => {
      own = [Object.getPrototypeOf(request.raw), Object.getPrototypeOf(reply.raw)];
      return "ok";
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    await exchange(app.server, { path: "/" });
    expect(own).toEqual([IncomingMessage.prototype, ServerResponse.prototype]);
    expect(own[0] === IncomingMessage.prototype && own[1] === ServerResponse.prototype).toBe(true);
    await app.close();
  });
});
