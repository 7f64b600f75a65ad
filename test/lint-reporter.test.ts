import { once } from "node:events";
import http, { createServer, type RequestListener } from "node:http";
import http2 from "node:http2";
import https from "node:https";
import type { AddressInfo, Server } from "node:net";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { createGuard, type GuardOptions } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { selfSigned } from "./testing/certificate.js";
import { listen } from "./testing/servers.js";

interface Warning {
  readonly code: string;
  readonly route: string;
  readonly found: string;
  readonly advice: string;
  readonly message: string;
}

// The reporter loads the rules when it is made; once they are loaded, that takes no more than a turn of the loop.
beforeAll(async () => {
  await import("../src/validity/lint.js");
});

afterEach(() => {
  vi.unstubAllEnvs();
});

async function serve(listener: RequestListener, options: GuardOptions = { lint: "report" }) {
  const warnings: Warning[] = [];
  const warn = (record: object, message: string) => warnings.push({ ...(record as Warning), message });
  const guard = createGuard({ logger: { info() {}, warn, error: warn }, ...options });
  await new Promise((resolve) => setImmediate(resolve));
  const server = await listen(guard.attach(createServer(listener)));
  return { warnings, guard, server };
}

const old: RequestListener = (_request, response) => {
  response.setHeader("Content-Type", "text/plain");
  response.setHeader("Age", "very");
  response.end("ok");
};

describe("lint: report", () => {
  it("warns with rule, route, what was found and what to write instead", async () => {
    const { server, warnings } = await serve(old);
    await exchange(server, { path: "/a?token=secret" });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({ code: "CC-6", route: "GET /a", message: "response could be better" });
    expect(warnings[0]?.found).not.toBe("");
    expect(warnings[0]?.advice).not.toBe("");
  });

  it("changes no octet, makes no incident, and leaves the outcome intact", async () => {
    const without = await serve(old, { lint: false });
    const bare = await exchange(without.server, { path: "/" });
    const { server, guard } = await serve(old);
    const linted = await exchange(server, { path: "/" });
    const plain = (octets: Buffer) => octets.toString("latin1").replace(/\r\nDate: [^\r]+/, "");
    expect(plain(linted.octets)).toBe(plain(bare.octets));
    expect(guard.stats()).toMatchObject({ incidents: {}, outcomes: { intact: 1 } });
    expect(without.warnings).toEqual([]);
  });

  it("says each thing once for each route, whatever the query", async () => {
    const { server, warnings } = await serve(old);
    await exchange(server, [
      { path: "/a" },
      { path: "/a?x" },
      { path: "/b" },
      { path: "/a", method: "HEAD" },
      { path: "/b" },
    ]);
    expect(warnings.map(({ route }) => route)).toEqual(["GET /a", "GET /b", "HEAD /a"]);
  });

  it("names a route by its pattern where the framework knows one", async () => {
    const { server, warnings } = await serve((request, response) => {
      Object.assign(request, { route: { path: "/users/:id" } });
      old(request, response as never);
    });
    await exchange(server, [{ path: "/users/1" }, { path: "/users/2" }]);
    expect(warnings.map(({ route }) => route)).toEqual(["GET /users/:id"]);
  });

  it("is silent about a response that is as it should be", async () => {
    const { server, warnings } = await serve((_request, response) => {
      response.setHeader("Content-Type", "text/plain; charset=utf-8");
      response.end("ok");
    });
    await exchange(server, { path: "/" });
    expect(warnings).toEqual([]);
  });

  it("keeps control characters of the target out of the log", async () => {
    const { server, warnings } = await serve((request, response) => {
      request.url = "/a\x1b[31m\r\n\x9bforged";
      old(request, response as never);
    });
    await exchange(server, { path: "/" });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]?.route).toMatch(/^[\x20-\x7e]*$/);
  });

  it("remembers no more than it needs, however many routes a client invents", async () => {
    const { server, warnings } = await serve(old);
    const paths = Array.from({ length: 5_100 }, (_, n) => ({ path: `/${n}` }));
    await exchange(server, paths, { pipeline: true, timeoutMs: 20_000 });
    expect(warnings).toHaveLength(5_000);
  }, 30_000);
});

describe("whether a request was encrypted", () => {
  const HSTS = { "Strict-Transport-Security": "max-age=31536000" };
  const answer: RequestListener = (_request, response) => void response.writeHead(204, HSTS).end();
  const onStream = (stream: http2.ServerHttp2Stream) =>
    stream.respond({ ":status": 204, ...HSTS }, { endStream: true });
  const secure = selfSigned();

  // Sent in clear, as far as the nearest proxy says, and the connection does not say otherwise.
  it.each<[how: string, scheme: "http" | "https", version: 1 | 2, make: () => Server, told: string[]]>([
    ["HTTP/1.1", "http", 1, () => createServer(answer), ["XS-3"]],
    ["HTTP/1.1 over TLS", "https", 1, () => https.createServer(secure, answer), []],
    ["HTTP/2", "http", 2, () => http2.createServer(answer as never), ["XS-3"]],
    ["HTTP/2 over TLS", "https", 2, () => http2.createSecureServer(secure, answer as never), []],
    ["HTTP/2, core API", "http", 2, () => http2.createServer().on("stream", onStream), ["XS-3"]],
    ["HTTP/2 over TLS, core API", "https", 2, () => http2.createSecureServer(secure).on("stream", onStream), []],
  ])("is told by its connection: %s", async (_how, scheme, version, make, told) => {
    const codes: string[] = [];
    const warn = (record: object) => void codes.push((record as Warning).code);
    const guard = createGuard({ logger: { info() {}, warn, error: warn }, lint: "report", shutdown: false });
    await new Promise((resolve) => setImmediate(resolve));
    const server = await listen(guard.attach(make()));
    const authority = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const headers = { "X-Forwarded-Proto": "http" };
    if (version === 2) {
      const client = http2.connect(authority, { rejectUnauthorized: false });
      await once(client.request(headers).end().resume(), "end");
      client.destroy();
    } else {
      const { get } = scheme === "http" ? http : https;
      const [response] = (await once(get(authority, { headers, rejectUnauthorized: false }), "response")) as [
        http.IncomingMessage,
      ];
      await once(response.resume(), "end");
    }
    expect(codes.filter((code) => code === "XS-3")).toEqual(told);
    guard.close();
  });
});

describe("lint left out", () => {
  it.each([
    ["development", 1],
    ["production", 0],
    ["test", 0],
    ["", 0],
  ])("under NODE_ENV=%s warns %d times", async (environment, count) => {
    vi.stubEnv("NODE_ENV", environment);
    const { server, warnings } = await serve(old, {});
    await exchange(server, { path: "/" });
    expect(warnings).toHaveLength(count);
  });

  it("can be turned off in development", async () => {
    vi.stubEnv("NODE_ENV", "development");
    const { server, warnings } = await serve(old, { lint: false });
    await exchange(server, { path: "/" });
    expect(warnings).toEqual([]);
  });
});
