import { createServer, type RequestListener } from "node:http";
import { describe, expect, it } from "vitest";
import { composePage, lastResort, renderHttp1 } from "../src/fallback/page.js";
import { createGuard, type FallbackContent, type GuardOptions } from "../src/index.js";
import { exchange, parseResponse } from "../src/testing/index.js";
import type { ExchangeRequest } from "../src/testing/request.js";
import { listen } from "./testing/servers.js";

const RAY = "0123456789abcdef";

async function ask(listener: RequestListener, request: ExchangeRequest = {}, options: GuardOptions = {}) {
  const guard = createGuard({ logger: false, ...options });
  const server = await listen(guard.attach(createServer(listener)));
  const headers = { "CF-RAY": `${RAY}-FRA`, ...(request.headers as Record<string, string>) };
  const result = await exchange(server, { path: "/", ...request, headers });
  expect(result.problems).toEqual([]);
  expect(result.valid).toBe(true);
  const [response] = result.responses;
  if (response === undefined) throw new Error("no response");
  return response;
}

const throwing =
  (error: unknown): RequestListener =>
  () => {
    throw error;
  };
const secret = () => Object.assign(new Error("SECRET-MESSAGE"), { stack: "SECRET-STACK", code: "SECRET-CODE" });

describe("the content of a fallback", () => {
  it.each([
    [
      "a browser",
      "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
      "text/html; charset=utf-8",
    ],
    ["curl", "*/*", "application/problem+json"],
    ["an API client", "application/json", "application/json"],
    ["one that knows RFC 9457", "application/problem+json, application/json;q=0.9", "application/problem+json"],
    ["one that reads text", "text/plain", "text/plain; charset=utf-8"],
    ["one that takes nothing we have", "image/png", "text/plain; charset=utf-8"],
    ["garbage", ";;q=,,/,=", "text/plain; charset=utf-8"],
    ["one that refuses HTML", "text/html;q=0, text/plain", "text/plain; charset=utf-8"],
    ["an empty Accept", "", undefined],
  ])("suits %s, and carries the Ray ID and nothing of the error", async (_who, accept, type) => {
    const response = await ask(throwing(secret()), { headers: { Accept: accept } });
    expect(response.status).toBe(500);
    if (type !== undefined) expect(response.field("content-type")).toBe(type);
    expect(response.text()).toContain(RAY);
    expect(response.text()).not.toMatch(/SECRET|Error:|\bat /);
    expect(response.field("cache-control")).toBe("no-store");
  });

  it("is problem details by RFC 9457", async () => {
    const response = await ask(throwing(secret()), { headers: { Accept: "application/problem+json" } });
    expect(JSON.parse(response.text())).toMatchObject({
      type: "about:blank",
      title: "Internal Server Error",
      status: 500,
      ray_id: RAY,
    });
  });

  it("has no Ray ID where the request has none that looks like one", async () => {
    const response = await ask(throwing(secret()), { headers: { "CF-RAY": "<script>", Accept: "text/html" } });
    expect(response.text()).not.toContain("script");
    expect(response.text()).not.toContain("Ray");
  });

  it("is left out after HEAD, with the length it would have had", async () => {
    const [get, head] = [await ask(throwing(secret())), await ask(throwing(secret()), { method: "HEAD" })];
    expect(head.content).toHaveLength(0);
    expect(head.field("content-length")).toBe(get.field("content-length"));
  });
});

describe("the fields of a fallback", () => {
  const KEPT = {
    "Access-Control-Allow-Origin": "https://a.example",
    "Access-Control-Allow-Credentials": "true",
    Vary: "Origin, Accept-Encoding",
    "Strict-Transport-Security": "max-age=1",
    "Content-Security-Policy": "default-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "X-Request-Id": "r-1",
    "Timing-Allow-Origin": "*",
  };
  const DROPPED = {
    ETag: '"x"',
    "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT",
    Expires: "Sun, 06 Nov 2094 08:49:37 GMT",
    "Content-Encoding": "gzip",
    "Content-Disposition": "attachment",
    "Content-Range": "bytes 0-1/2",
    "Accept-Ranges": "bytes",
    "Set-Cookie": "sid=1",
    "CDN-Cache-Control": "max-age=60",
    Trailer: "X-Sum",
    Location: "/elsewhere",
  };

  it.each(["setHeader", "writeHead", "write"])(
    "keep who may read it and drop what described the lost content: %s",
    async (how) => {
      const all = { ...KEPT, ...DROPPED, "Cache-Control": "public, max-age=60" };
      const response = await ask((_request, r) => {
        if (how === "setHeader") for (const [name, value] of Object.entries(all)) r.setHeader(name, value);
        else r.writeHead(200, all);
        if (how === "write") r.write("partial");
        throw secret();
      });
      for (const [name, value] of Object.entries(KEPT)) expect(response.fieldLines(name), name).toEqual([value]);
      for (const name of Object.keys(DROPPED)) expect(response.fieldLines(name), name).toEqual([]);
      expect(response.fieldLines("cache-control")).toEqual(["no-store"]);
      expect(response.fieldLines("date")).toHaveLength(1);
    },
  );

  it("ask for patience with 503, unless the error says how long", async () => {
    expect((await ask(throwing(Object.assign(new Error("x"), { status: 503 })))).field("retry-after")).toBe("5");
    const error = Object.assign(new Error("x"), { status: 503, headers: { "Retry-After": "60" } });
    expect((await ask(throwing(error))).fieldLines("retry-after")).toEqual(["60"]);
    expect((await ask(throwing(new Error("x")))).field("retry-after")).toBeUndefined();
  });
});

describe("err.status and err.statusCode", () => {
  it.each([
    [{ status: 404 }, 404],
    [{ statusCode: 422 }, 422],
    [{ status: 429, statusCode: 500 }, 429],
    [{ status: 200, statusCode: 403 }, 403],
    [{ status: 599 }, 599],
    ...[200, 302, 399, 600, 1_000, 0, -1, 404.5, Number.NaN, "404", null, {}].map(
      (status) => [{ status }, 500] as const,
    ),
    [{ status: 502 }, 500],
    [{ status: 504 }, 503],
  ] as const)("%j gives %d", async (fields, status) => {
    expect((await ask(throwing(Object.assign(new Error("x"), fields)))).status).toBe(status);
  });

  it.each([520, 521, 522, 523, 524, 525, 526, 527, 530])("never give %d, which is the edge's own", async (status) => {
    expect((await ask(throwing(Object.assign(new Error("x"), { status })))).status).toBe(500);
  });

  it.each([
    [
      "status",
      {
        get status() {
          throw new Error("getter");
        },
      },
    ],
    [
      "statusCode",
      {
        get statusCode() {
          throw new Error("getter");
        },
      },
    ],
    [
      "headers",
      {
        status: 404,
        get headers() {
          throw new Error("getter");
        },
      },
    ],
    [
      "every field",
      new Proxy(
        {},
        {
          get() {
            throw new Error("getter");
          },
        },
      ),
    ],
  ])("that throw from a getter give 500: %s", async (_name, error) => {
    expect((await ask(throwing(error))).status).toBe(500);
  });
});

describe("err.headers", () => {
  it("go out where they are valid and say nothing of framing, caching or cookies", async () => {
    const headers = {
      "WWW-Authenticate": "Bearer",
      Allow: "GET",
      "X-Number": 5,
      "Bad Name": "x",
      "X-Injected": "a\r\nX-Evil: 1",
      "X-Wide": "\u20ac",
      "X-Object": {},
      "X-Huge": "x".repeat(5_000),
      "Content-Length": "1",
      "Content-Type": "text/evil",
      "Transfer-Encoding": "chunked",
      Connection: "Upgrade",
      "Set-Cookie": "a=1",
      "Cache-Control": "public",
      ":status": "200",
      get "X-Getter"() {
        throw new Error("getter");
      },
    };
    const response = await ask(throwing(Object.assign(new Error("x"), { status: 401, headers })));
    expect(response.status).toBe(401);
    expect(response.field("www-authenticate")).toBe("Bearer");
    expect(response.field("allow")).toBe("GET");
    expect(response.field("x-number")).toBe("5");
    for (const name of ["x-injected", "x-evil", "x-wide", "x-object", "x-huge", "set-cookie", "x-getter"]) {
      expect(response.field(name), name).toBeUndefined();
    }
    expect(response.fieldLines("content-type")).toHaveLength(1);
    expect(response.field("content-type")).not.toBe("text/evil");
    expect(response.fieldLines("cache-control")).toEqual(["no-store"]);
  });

  it.each([[[]], ["text"], [new Map([["X-A", "b"]])], [null], [5]])(
    "that are no object of fields are ignored: %o",
    async (headers) => {
      expect((await ask(throwing(Object.assign(new Error("x"), { status: 418, headers })))).status).toBe(418);
    },
  );

  it("do not repeat a field that the lost response had", async () => {
    const response = await ask((_request, r) => {
      r.setHeader("X-Request-Id", "1");
      r.setHeader("Access-Control-Allow-Origin", "https://a.example");
      throw Object.assign(new Error("x"), {
        status: 403,
        headers: { "access-control-allow-origin": "https://b.example" },
      });
    });
    expect(response.fieldLines("access-control-allow-origin")).toHaveLength(1);
  });
});

describe("errorContent", () => {
  it("takes the place of the built-in content, and is told of the incident", async () => {
    const told: unknown[] = [];
    const errorContent = (incident: object, request: { url?: string | undefined }) => {
      told.push({ ...incident }, request.url);
      return { contentType: "text/x-mine", body: "mine \u20ac" };
    };
    const response = await ask(throwing(secret()), { path: "/a" }, { errorContent: errorContent as never });
    expect(response.field("content-type")).toBe("text/x-mine");
    expect(response.text()).toBe("mine \u20ac");
    expect(told).toMatchObject([{ code: "HANDLER_ERROR", action: "replaced", ray: RAY, status: 500, url: "/a" }, "/a"]);
  });

  it("may be octets", async () => {
    const body = new Uint8Array([0, 255, 10]);
    const response = await ask(
      throwing(secret()),
      {},
      { errorContent: () => ({ contentType: "application/x", body }) },
    );
    expect([...response.content]).toEqual([0, 255, 10]);
  });

  it.each<[what: string, errorContent: () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("x");
      },
    ],
    ["gives nothing", () => undefined],
    ["gives null", () => null],
    ["gives text", () => "sorry"],
    ["gives a promise", async () => ({ contentType: "text/plain", body: "x" })],
    ["gives no type", () => ({ body: "x" })],
    ["gives no body", () => ({ contentType: "text/plain" })],
    ["gives a type with CR LF", () => ({ contentType: "text/plain\r\nX-Evil: 1", body: "x" })],
    ["gives a body that is no text", () => ({ contentType: "text/plain", body: 5 })],
    [
      "gives a getter that throws",
      () => ({
        get contentType() {
          throw new Error("x");
        },
        body: "x",
      }),
    ],
  ])("that %s leaves the built-in content", async (_what, errorContent) => {
    const response = await ask(
      throwing(secret()),
      { headers: { Accept: "text/html" } },
      { errorContent: errorContent as () => FallbackContent },
    );
    expect(response.status).toBe(500);
    expect(response.text()).toContain("<h1>500 Internal Server Error</h1>");
    expect(response.field("x-evil")).toBeUndefined();
  });
});

describe("the last resort", () => {
  it.each([500, 503])("is a valid message of its own with %d", (status) => {
    const { octets } = renderHttp1(lastResort(status, RAY), "GET", true);
    const parsed = parseResponse(octets, { end: "fin" });
    expect(parsed?.problems).toEqual([]);
    expect(parsed?.text()).toBe(`${status}\nRay ID: ${RAY}\n`);
  });

  it("takes the place of a page that cannot be composed", () => {
    const request = {
      headers: {
        get accept() {
          throw new Error("x");
        },
      },
    };
    const page = composePage({ status: 500, ray: null, request: request as never, lost: [] });
    expect(page.body.toString()).toBe("500\n");
  });
});
