import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { describe, expect, it } from "vitest";
import { parseConnectingIp, parseCountry } from "../src/cloudflare/client-address.js";
import { parseRay } from "../src/cloudflare/ray.js";
import { createGuard, type GuardOptions, RayguardError, type RequestContext } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

async function serve(listener: RequestListener, options: GuardOptions = {}) {
  const guard = createGuard({ logger: false, ...options });
  return listen(guard.attach(createServer(listener)));
}

async function contextOf(
  headers: [string, string][],
  options: GuardOptions = { trust: "loopback" },
): Promise<Pick<RequestContext, "ray" | "clientIp" | "verified" | "country">> {
  let seen: RequestContext | undefined;
  const server = await serve((request, response) => {
    seen = request.rayguard;
    response.end();
  }, options);
  await exchange(server, { path: "/", headers });
  const { ray, clientIp, verified, country } = seen as RequestContext;
  return { ray, clientIp, verified, country };
}

describe("CF-RAY", () => {
  it.each([
    ["0123456789abcdef-FRA", { id: "0123456789abcdef", colo: "FRA" }],
    ["0123456789abcdef", { id: "0123456789abcdef", colo: null }],
    ["0123456789ABCDEF-fra", { id: "0123456789abcdef", colo: "FRA" }],
  ])("of %j is read", (value, ray) => {
    expect(parseRay(value)).toEqual(ray);
  });

  it.each([
    ...[
      "",
      "0",
      "0123456789abcde",
      "0123456789abcdef0",
      "0123456789abcdeg-FRA",
      "0123456789abcdef-FRAX",
      "0123456789abcdef-",
    ],
    ...["0123456789abcdef-FR1", "0123456789abcdef_FRA", " 0123456789abcdef", "0123456789abcdef, 0123456789abcdef-FRA"],
    ...["0123456789abcdef\r\nX: y", "0123456789abcdef-FRA\n", "0123456789abcdef-\u00c5BC", "x".repeat(100_000)],
    ...[undefined, null, 5, ["0123456789abcdef"]],
  ])("of %j is none", (value) => {
    expect(parseRay(value)).toBeNull();
  });

  it("that comes twice is none", async () => {
    const { ray } = await contextOf([
      ["CF-RAY", "0123456789abcdef-FRA"],
      ["CF-RAY", "0123456789abcdef-FRA"],
    ]);
    expect(ray).toBeNull();
  });
});

describe("CF-Connecting-IP", () => {
  it.each(["203.0.113.7", "2001:db8::1", "::1", "2001:0db8:0000:0000:0000:0000:0000:0001"])(
    "of %s is an address",
    (value) => {
      expect(parseConnectingIp(value)).toBe(value);
    },
  );

  it.each([
    ...[
      "",
      "203.0.113.7, 10.0.0.1",
      "fe80::1%eth0",
      "203.0.113",
      "203.0.113.256",
      "203.0.113.07",
      "localhost",
      "[::1]",
      "::1:80:",
    ],
    ...[
      "203.0.113.7:80",
      " 203.0.113.7",
      "203.0.113.7\n",
      "\x1b[31m1.2.3.4",
      "1".repeat(1_000),
      undefined,
      ["203.0.113.7"],
    ],
  ])("of %j is none", (value) => {
    expect(parseConnectingIp(value)).toBeNull();
  });

  it.each(["::ffff:203.0.113.7", "::FFFF:cb00:7107", "0:0:0:0:0:ffff:203.0.113.7"])(
    "of %s is the IPv4 address in it",
    (value) => {
      expect(parseConnectingIp(value)).toBe("203.0.113.7");
    },
  );

  it("that is none leaves the address of the peer", async () => {
    expect(await contextOf([["CF-Connecting-IP", "203.0.113.7, 10.0.0.1"]])).toMatchObject({
      clientIp: "127.0.0.1",
      verified: true,
    });
    expect(await contextOf([["CF-Connecting-IP", "203.0.113.7"]])).toMatchObject({
      clientIp: "203.0.113.7",
      verified: true,
    });
  });

  it("and CF-IPCountry of somebody who is not trusted are not believed", async () => {
    const forged: [string, string][] = [
      ["CF-Connecting-IP", "203.0.113.7"],
      ["CF-IPCountry", "DE"],
    ];
    const context = { clientIp: "127.0.0.1", verified: false, country: null };
    expect(await contextOf(forged, {})).toMatchObject(context);
    expect(await contextOf(forged)).toMatchObject({ clientIp: "203.0.113.7", verified: true, country: "DE" });
  });
});

describe("CF-IPCountry", () => {
  it.each([
    ["DE", "DE"],
    ["T1", "T1"],
    ["XX", "XX"],
    ["de", null],
    ["DEU", null],
    ["D\n", null],
    [undefined, null],
  ])("of %j is %j", (value, country) => {
    expect(parseCountry({ "cf-ipcountry": value })).toBe(country);
  });
});

describe("req.rayguard", () => {
  it("is there for every request of an attached server, and always the same", async () => {
    const same: boolean[] = [];
    const server = await serve((request, response) => {
      const context = request.rayguard;
      response.end("ok", () => same.push(context !== undefined && request.rayguard === context));
    });
    await exchange(server, [{ path: "/1" }, { path: "/2" }]);
    expect(same).toEqual([true, true]);
  });

  it("is there behind guard.listener without attach", async () => {
    const guard = createGuard({ logger: false });
    let seen: unknown;
    const server = await listen(
      createServer(
        guard.listener((request, response) => {
          seen = request.rayguard?.clientIp;
          response.end();
        }),
      ),
    );
    await exchange(server, { path: "/" });
    expect(seen).toBe("127.0.0.1");
  });

  it("still knows ray and address once the client has gone", async () => {
    let request: IncomingMessage | undefined;
    let left: () => void = () => {};
    const closed = new Promise<void>((resolve) => {
      left = resolve;
    });
    const server = await serve((given) => {
      request = given;
      given.socket.once("close", () => left());
    });
    await exchange(server, { path: "/", headers: { "CF-RAY": "0123456789abcdef-FRA" } }, { abortAfterMs: 20 });
    await closed;
    expect(request?.rayguard).toMatchObject({ ray: { id: "0123456789abcdef", colo: "FRA" }, clientIp: "127.0.0.1" });
  });
});

describe("req.rayguard.signal", () => {
  async function reasonOf(listener: RequestListener, options: GuardOptions, exchanging = {}): Promise<unknown> {
    let settle: (reason: unknown) => void = () => {};
    const reason = new Promise<unknown>((resolve) => {
      settle = resolve;
    });
    const server = await serve((request, response) => {
      const { signal } = request.rayguard as RequestContext;
      expect(signal.aborted).toBe(false);
      signal.addEventListener("abort", () => settle(signal.reason));
      listener(request, response as never);
    }, options);
    await exchange(server, { path: "/" }, exchanging);
    return reason;
  }

  it.each<[when: string, code: string, listener: RequestListener, options: GuardOptions, exchanging: object]>([
    ["at the deadline", "ERR_RAYGUARD_DEADLINE", () => {}, { firstByteDeadlineMs: 20 }, {}],
    ["when the client goes away", "ERR_RAYGUARD_CLIENT_GONE", () => {}, {}, { abortAfterMs: 20 }],
    [
      "when the response is torn down",
      "ERR_RAYGUARD_INCOMPLETE",
      (_, r) => {
        r.write("a", () => r.destroy(new Error("x")));
      },
      { holdBackOctets: 0 },
      {},
    ],
  ])("aborts %s with %s", async (_when, code, listener, options, exchanging) => {
    const reason = await reasonOf(listener, options, exchanging);
    expect(reason).toBeInstanceOf(RayguardError);
    expect((reason as RayguardError).code).toBe(code);
  });

  it("never aborts for a response that went out", async () => {
    let signal: AbortSignal | undefined;
    const server = await serve((request, response) => {
      signal = request.rayguard?.signal;
      response.end("ok");
    });
    await exchange(server, [{ path: "/1" }, { path: "/2", headers: { Connection: "close" } }]);
    expect(signal?.aborted).toBe(false);
  });

  it("is aborted already where it is asked for too late", async () => {
    let context: RequestContext | undefined;
    const server = await serve(
      (request) => {
        context = request.rayguard;
      },
      { firstByteDeadlineMs: 20 },
    );
    await exchange(server, { path: "/" });
    expect(context?.signal.aborted).toBe(true);
    expect(context?.signal.reason).toMatchObject({ code: "ERR_RAYGUARD_DEADLINE" });
  });

  it.each([
    ["the deadline has passed", { firstByteDeadlineMs: 20 }, {}, "ERR_RAYGUARD_DEADLINE"],
    ["the client has gone away", {}, { abortAfterMs: 20 }, "ERR_RAYGUARD_CLIENT_GONE"],
  ])("is aborted already where it is asked for first when %s", async (_when, options, exchanging, code) => {
    let request: IncomingMessage | undefined;
    const server = await serve((received, response) => {
      request = received;
      response.on("close", () => {});
    }, options);
    await exchange(server, { path: "/" }, exchanging);
    await expect.poll(() => request?.rayguard?.signal.reason).toMatchObject({ code });
  });

  it("leaves the app no way to abort it", async () => {
    let context: object | undefined;
    const server = await serve((request, response) => {
      context = request.rayguard;
      response.end();
    });
    await exchange(server, { path: "/" });
    const names = Object.getOwnPropertyNames(Object.getPrototypeOf(context)).sort();
    expect(names).toEqual(["clientIp", "constructor", "country", "deadline", "ray", "signal", "verified"]);
  });
});
