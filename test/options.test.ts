import { createServer, Server } from "node:http";
import { describe, expect, it, vi } from "vitest";
import { createGuard, DEFAULTS, type GuardOptions, OVERLOAD_DEFAULTS, RayguardError } from "../src/index.js";
import { checkDeadline } from "../src/option-checks.js";
import { resolveOptions } from "../src/options/options.js";
import { resolveRoute } from "../src/options/route-settings.js";
import { exchange } from "../src/testing/index.js";
import { resolveTrust } from "../src/trust/trust-options.js";
import { listen } from "./testing/servers.js";

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
  } catch (error) {
    if (error instanceof RayguardError) return error.code;
    throw error;
  }
  return undefined;
}

function resolve(options: unknown): ReturnType<typeof resolveOptions> {
  return resolveOptions(options as GuardOptions);
}

describe("no options", () => {
  it("get the defaults of the design", () => {
    vi.stubEnv("NODE_ENV", "production");
    expect(resolveOptions()).toEqual({
      edge: {
        readTimeoutMs: 100_000,
        idlePoolMs: 900_000,
        unusedPoolMs: 0,
        maxHeaderSectionOctets: 131_072,
        maxFieldLines: 256,
        maxInterimResponses: 5,
      },
      mode: "enforce",
      unsupportedRuntime: "warn",
      crash: "drain",
      shutdown: { signals: ["SIGTERM", "SIGINT", "SIGHUP"], lameDuckMs: 0, graceMs: 25_000 },
      lint: false,
      firstByteDeadlineMs: 95_000,
      idleDeadlineMs: 95_000,
      recipientDeadlineMs: 905_000,
      heartbeatMs: false,
      holdBackOctets: 65_536,
      holdBackMs: 25,
      maxHeaderSectionOctets: 131_072,
      maxFieldLines: 256,
      keepAliveTimeoutMs: 905_000,
      gatewayStatus: "remap",
      errorContent: undefined,
      health: { path: "/health" },
      logger: undefined,
      logBatchMs: 10,
      recorder: false,
      watchdog: false,
      overload: false,
      trust: resolveTrust("cloudflare"),
      direct: "allow",
    });
    vi.unstubAllEnvs();
  });

  it("are what DEFAULTS says", () => {
    const { edge, trust, ...numbers } = DEFAULTS;
    expect(resolveOptions()).toMatchObject(numbers);
    expect(resolveOptions({ edge, trust })).toEqual(resolveOptions());
  });

  it("are the same as every option undefined", () => {
    const names = [
      "edge",
      "mode",
      "lint",
      "firstByteDeadlineMs",
      "idleDeadlineMs",
      "recipientDeadlineMs",
      "heartbeatMs",
      "holdBackOctets",
      "holdBackMs",
    ];
    const more = ["maxHeaderSectionOctets", "maxFieldLines", "keepAliveTimeoutMs", "gatewayStatus", "errorContent"];
    const rest = [
      "health",
      "logger",
      "logBatchMs",
      "trust",
      "direct",
      "overload",
      "crash",
      "shutdown",
      "recorder",
      "watchdog",
    ];
    const options = Object.fromEntries([...names, ...more, ...rest].map((name) => [name, undefined]));
    expect(resolve(options)).toEqual(resolveOptions());
  });
});

describe("the edge", () => {
  it("of a Tunnel has numbers of its own", () => {
    expect(resolveOptions({ edge: "cloudflared" })).toMatchObject({
      maxHeaderSectionOctets: 98_304,
      keepAliveTimeoutMs: 95_000,
    });
  });

  it("given as an object overrides single numbers, and what follows from them", () => {
    const { edge, keepAliveTimeoutMs, maxFieldLines } = resolveOptions({
      edge: { idlePoolMs: 60_000, maxFieldLines: 100 },
    });
    expect(edge).toMatchObject({ idlePoolMs: 60_000, readTimeoutMs: 100_000 });
    expect({ keepAliveTimeoutMs, maxFieldLines }).toEqual({ keepAliveTimeoutMs: 65_000, maxFieldLines: 100 });
  });

  it("yields to a number given beside it", () => {
    expect(resolveOptions({ edge: "cloudflared", maxFieldLines: 64 }).maxFieldLines).toBe(64);
  });

  it.each(
    ["fastly", 1, null, ["cloudflare"], { idlePoolMs: "1" }, { idlePoolMs: -1 }, { maxFieldLines: 1.5 }].map(
      (edge) => ({ edge }),
    ),
  )("cannot be %j", ({ edge }) => {
    expect(codeOf(() => resolve({ edge }))).toBe("ERR_RAYGUARD_INVALID_OPTION");
  });

  it("has no number of an unknown name", () => {
    expect(codeOf(() => resolve({ edge: { idlePool: 1 } }))).toBe("ERR_RAYGUARD_INVALID_OPTION");
    expect(() => resolve({ edge: { idlePool: 1 } })).toThrow(/idlePoolMs/);
  });
});

describe("bounds", () => {
  const BOUNDS: readonly [name: keyof GuardOptions, least: number, most: number][] = [
    ["firstByteDeadlineMs", 1, 2_147_483_647],
    ["idleDeadlineMs", 1, 2_147_483_647],
    ["heartbeatMs", 1, 2_147_483_647],
    ["logBatchMs", 0, 2_147_483_647],
    ["holdBackOctets", 0, Number.MAX_SAFE_INTEGER],
    ["holdBackMs", 1, 2_147_483_647],
    ["maxHeaderSectionOctets", 256, Number.MAX_SAFE_INTEGER],
    ["maxFieldLines", 8, Number.MAX_SAFE_INTEGER],
    ["keepAliveTimeoutMs", 0, 2_147_483_647],
  ];

  it.each(BOUNDS)("take %s from %d to %d", (name, least, most) => {
    expect(resolve({ [name]: least })[name as "holdBackMs"]).toBe(least);
    expect(resolve({ [name]: most })[name as "holdBackMs"]).toBe(most);
  });

  it.each(
    BOUNDS.flatMap(([name, least, most]) =>
      [least - 1, most + 1, least + 0.5, Number.NaN, Number.POSITIVE_INFINITY, `${least}`, null, true, {}].map(
        (value) => [name, value] as const,
      ),
    ),
  )("refuse %s: %j", (name, value) => {
    expect(() => resolve({ [name]: value })).toThrow(new RegExp(`^${name} must be a whole number`));
    expect(codeOf(() => createGuard({ [name]: value } as GuardOptions))).toBe("ERR_RAYGUARD_INVALID_OPTION");
  });

  it.each(["firstByteDeadlineMs", "idleDeadlineMs", "heartbeatMs"] as const)("let %s be turned off", (name) => {
    expect(resolve({ [name]: false })[name]).toBe(false);
  });

  it.each(["holdBackOctets", "holdBackMs", "maxFieldLines", "keepAliveTimeoutMs"])("do not let %s be false", (name) => {
    expect(codeOf(() => resolve({ [name]: false }))).toBe("ERR_RAYGUARD_INVALID_OPTION");
  });
});

describe("a value no option can have", () => {
  it.each<[option: Record<string, unknown>, message: RegExp]>([
    [{ mode: "warn" }, /^mode must be "enforce" or "report"; got "warn"\.$/],
    [{ mode: true }, /^mode must be .*; got true\.$/],
    [{ lint: true }, /^lint must be false or "report"; got true\.$/],
    [{ unsupportedRuntime: "pass" }, /^unsupportedRuntime must be "warn" or "error"; got "pass"\.$/],
    [{ gatewayStatus: false }, /^gatewayStatus must be "remap" or "keep"; got false\.$/],
    [{ errorContent: "sorry" }, /^errorContent must be a function .*; got "sorry"\.$/],
    [{ logger: true }, /^logger must be false or an object .*; got true\.$/],
    [
      { logger: { info() {} } },
      /^logger must be false or an object with the methods info, warn and error; got an object\.$/,
    ],
    [{ logger: null }, /^logger must be .*; got null\.$/],
    [{ health: true }, /^health must be false or an object; got true\.$/],
    [{ health: { path: "health" } }, /^health\.path must be a path that starts with \/; got "health"\.$/],
    [{ health: { path: "/a?b" } }, /^health\.path must be /],
    [{ health: { livePath: 1 } }, /^health\.livePath must be /],
    [{ health: { timeoutMs: 0 } }, /^health\.timeoutMs must be a whole number of milliseconds, 1 or more; got 0\.$/],
    [{ health: { cacheMs: -1 } }, /^health\.cacheMs must be /],
    [{ health: { details: "yes" } }, /^health\.details must be true, false or a function; got "yes"\.$/],
    [{ health: { checks: null } }, /^health\.checks must be /],
    [{ recorder: true }, /^recorder must be false or \{ path, slots \}; got true\.$/],
    [{ recorder: {} }, /^recorder\.path must be the path of a file; got undefined\.$/],
    [{ recorder: { path: "" } }, /^recorder\.path must be the path of a file; got ""\.$/],
    [{ recorder: { path: "/var/lib/app/" } }, /^recorder\.path must be /],
    [{ recorder: { path: "a\0b" } }, /^recorder\.path must be /],
    [{ recorder: { path: "a\0" } }, /^recorder\.path must be /],
    [{ recorder: { path: "a", slots: 0 } }, /^recorder\.slots must be a whole number from 1 to 65536; got 0\.$/],
    [{ recorder: { path: "a", slots: 65_537 } }, /^recorder\.slots must be /],
    [{ overload: 1 }, /^overload must be true, false or an object; got 1\.$/],
    [{ overload: null }, /^overload must be true, false or an object; got null\.$/],
    [{ overload: [] }, /^overload must be true, false or an object; got an array\.$/],
    [{ overload: { maxInFlight: 0 } }, /^overload\.maxInFlight must be a whole number, 1 or more; got 0\.$/],
    [{ overload: { maxInFlight: true } }, /^overload\.maxInFlight must be .*; got true\.$/],
    [{ overload: { maxQueued: -1 } }, /^overload\.maxQueued must be a whole number, 0 or more; got -1\.$/],
    [{ overload: { maxQueued: false } }, /^overload\.maxQueued must be .*; got false\.$/],
    [
      { overload: { maxQueuedMs: 0 } },
      /^overload\.maxQueuedMs must be a whole number of milliseconds from 1 to .*; got 0\.$/,
    ],
    [{ overload: { maxEventLoopDelayMs: "50" } }, /^overload\.maxEventLoopDelayMs must be .*; got "50"\.$/],
    [
      { overload: { maxEventLoopUtilization: 1.1 } },
      /^overload\.maxEventLoopUtilization must be a number over 0 and up to 1, or false; got 1\.1\.$/,
    ],
    [{ overload: { maxHeapRatio: 0 } }, /^overload\.maxHeapRatio must be .*; got 0\.$/],
    [{ overload: { maxHeapRatio: Number.NaN } }, /^overload\.maxHeapRatio must be .*; got NaN\.$/],
    [{ overload: { retryAfterS: 1.5 } }, /^overload\.retryAfterS must be .*; got 1\.5\.$/],
    [{ direct: "block" }, /^direct must be "allow" or "flag" or "reject"; got "block"\.$/],
    [{ direct: true }, /^direct must be .*; got true\.$/],
    [{ trust: 1 }, /^trust must be named by address, .*; got 1\.$/],
    [{ trust: true }, /^trust must be named by address, .*; got true\.$/],
    [{ trust: null }, /^trust must be a network, .*; got null\.$/],
    [{ trust: [] }, /^trust must be a network, .*; got an array\.$/],
    [{ trust: "" }, /^trust must be made of networks .*; got ""\.$/],
    [{ trust: "10.0.0.0/33" }, /^trust must be made of networks .*; got "10\.0\.0\.0\/33"\.$/],
    [{ trust: ["loopback", "private"] }, /^trust must be made of networks .*; got "private"\.$/],
    [{ trust: "10.0.0.0/255.0.255.0" }, /^trust must be made of networks/],
    [{ trust: "0.0.0.0/0" }, /^trust must be a list that does not trust everybody; got "0\.0\.0\.0\/0"\.$/],
    [{ trust: "::/0" }, /^trust must be a list that does not trust everybody/],
    [{ trust: { edge: 5 } }, /^trust\.edge must be a network, .*; got 5\.$/],
    [{ trust: { hops: ["x"] } }, /^trust\.hops must be made of networks .*; got "x"\.$/],
    [{ trust: { clientCertificate: "yes" } }, /^trust\.clientCertificate must be true or false; got "yes"\.$/],
    [{ trust: { trueClientIp: 1 } }, /^trust\.trueClientIp must be true or false; got 1\.$/],
    [{ trust: { secret: "s" } }, /^trust\.secret must be an object \{ header, value \}/],
    [
      { trust: { secret: { header: "a b", value: "x".repeat(16) } } },
      /^trust\.secret\.header must be the name of a field/,
    ],
    [{ trust: { secret: { header: "x" } } }, /^trust\.secret takes values of 16 octets or more/],
    [{ trust: { secret: { header: "x", values: [] } } }, /^trust\.secret must be an object with a value, or/],
    [
      { trust: { secret: { header: "x", value: "short" } } },
      /^trust\.secret takes values of 16 octets or more (?!.*short\b)/,
    ],
  ])("%j is refused in words that name it", (option, message) => {
    expect(() => createGuard(option as GuardOptions)).toThrow(message);
    expect(codeOf(() => createGuard(option as GuardOptions))).toBe("ERR_RAYGUARD_INVALID_OPTION");
  });

  it.each([{ options: null }, { options: [] }, { options: "x" }, { options: 1 }])("is refused: %j", ({ options }) => {
    expect(codeOf(() => resolve(options))).toBe("ERR_RAYGUARD_INVALID_OPTION");
  });

  it("is shortened and escaped in the message", () => {
    expect(() => resolve({ mode: `\x1b[31m${"x".repeat(500)}` })).toThrow(
      /^mode must be "enforce" or "report"; got "\\u001b\[31mx{75}"\.$/,
    );
  });
});

describe("a name nobody knows", () => {
  it.each<object>([{ timeout: 1 }, { firstByteDeadline: 1 }, { constructor: 1 }])(
    "%j is refused, with the names there are",
    (options) => {
      expect(codeOf(() => resolve(options))).toBe("ERR_RAYGUARD_UNKNOWN_OPTION");
      expect(() => resolve(options)).toThrow(
        /Known options: .*firstByteDeadlineMs.*trust, unsupportedRuntime, watchdog\.$/,
      );
    },
  );

  it("is refused inside health", () => {
    expect(codeOf(() => createGuard({ health: { url: "/" } } as GuardOptions))).toBe("ERR_RAYGUARD_UNKNOWN_OPTION");
  });

  it("is refused inside recorder", () => {
    expect(codeOf(() => createGuard({ recorder: { path: "a", size: 1 } } as GuardOptions))).toBe(
      "ERR_RAYGUARD_UNKNOWN_OPTION",
    );
  });

  it("is refused inside overload, with the names there are", () => {
    expect(codeOf(() => resolve({ overload: { maxConcurrent: 1 } }))).toBe("ERR_RAYGUARD_UNKNOWN_OPTION");
    expect(() => resolve({ overload: { maxConcurrent: 1 } })).toThrow(/overload\.maxConcurrent.*maxInFlight/);
  });

  it("is refused for a route", () => {
    const base = resolveOptions();
    for (const option of [
      { mode: "report" },
      { logger: false },
      { health: false },
      { keepAliveTimeoutMs: 1 },
      { deadline: 1 },
    ]) {
      expect(
        codeOf(() => resolveRoute(option as object, base)),
        JSON.stringify(option),
      ).toBe("ERR_RAYGUARD_UNKNOWN_OPTION");
    }
  });
});

describe("shutdown and crash", () => {
  it("fill in what is left out", () => {
    expect(resolve({ shutdown: { graceMs: 1 } }).shutdown).toEqual({
      signals: ["SIGTERM", "SIGINT", "SIGHUP"],
      lameDuckMs: 0,
      graceMs: 1,
    });
    expect(resolve({ shutdown: false, crash: false })).toMatchObject({ shutdown: false, crash: false });
    expect(resolve({ crash: "answer" }).crash).toBe("answer");
  });

  it.each([
    { crash: true },
    { crash: "exit" },
    { shutdown: true },
    { shutdown: null },
    { shutdown: [] },
    { shutdown: { signals: "SIGTERM" } },
    { shutdown: { signals: ["SIGKILL"] } },
    { shutdown: { signals: ["SIGNOPE"] } },
    { shutdown: { graceMs: -1 } },
    { shutdown: { lameDuckMs: 1.5 } },
  ])("cannot be %j", (option) => {
    expect(codeOf(() => resolve(option))).toBe("ERR_RAYGUARD_INVALID_OPTION");
  });

  it("have no name but these", () => {
    expect(codeOf(() => resolve({ shutdown: { grace: 1 } }))).toBe("ERR_RAYGUARD_UNKNOWN_OPTION");
  });
});

describe("the flight recorder", () => {
  it("has 1024 slots where nobody says how many, and a path that a later chdir() does not move", () => {
    expect(resolveOptions({ recorder: { path: "a" } }).recorder).toEqual({ path: `${process.cwd()}/a`, slots: 1_024 });
    expect(resolveOptions({ recorder: { path: "/a", slots: 65_536 } }).recorder).toEqual({ path: "/a", slots: 65_536 });
  });
});

describe("overload", () => {
  it.each([{ overload: true }, { overload: {} }])("%j takes the defaults", (option) => {
    expect(resolve(option).overload).toEqual(OVERLOAD_DEFAULTS);
  });

  it("takes every limit, and false for those that can be turned off", () => {
    const overload = {
      maxInFlight: 1,
      maxQueued: 0,
      maxQueuedMs: 1,
      maxEventLoopDelayMs: 1,
      maxEventLoopUtilization: 1,
      maxHeapRatio: 0.01,
      retryAfterS: 0,
    };
    expect(resolve({ overload }).overload).toEqual(overload);
    const off = { maxInFlight: false, maxEventLoopDelayMs: false, maxEventLoopUtilization: false, maxHeapRatio: false };
    expect(resolve({ overload: off }).overload).toEqual({ ...OVERLOAD_DEFAULTS, ...off });
    expect(Object.isFrozen(resolve({ overload }).overload)).toBe(true);
  });
});

describe("a part of trust nobody knows", () => {
  it.each([
    [{ cidrs: "loopback" }, /"trust\.cidrs"\. Known options: edge, hops, secret, clientCertificate, trueClientIp\.$/],
    [{ secret: { header: "x", secret: "y" } }, /"trust\.secret\.secret"\. Known options: header, value, values\.$/],
  ])("is refused: %j", (trust, message) => {
    expect(codeOf(() => resolve({ trust }))).toBe("ERR_RAYGUARD_UNKNOWN_OPTION");
    expect(() => resolve({ trust })).toThrow(message);
  });
});

describe("the caller's object", () => {
  it("is never changed, nor kept", () => {
    const options = Object.freeze({
      holdBackMs: 10,
      health: Object.freeze({ path: "/up" }),
      edge: Object.freeze({ maxFieldLines: 50 }),
    });
    const before = structuredClone(options);
    expect(() => createGuard({ ...options, logger: false })).not.toThrow();
    expect(options).toEqual(before);
    const given = { holdBackMs: 10 };
    const settings = resolveOptions(given);
    given.holdBackMs = 20;
    expect(settings.holdBackMs).toBe(10);
  });

  it("gives frozen settings", () => {
    expect(Object.isFrozen(resolveOptions())).toBe(true);
    expect(Object.isFrozen(resolveRoute({}, resolveOptions()))).toBe(true);
  });
});

describe("a route", () => {
  const base = resolveOptions({
    firstByteDeadlineMs: 1_000,
    idleDeadlineMs: false,
    holdBackOctets: 10,
    edge: "cloudflared",
  });

  it("overrides what it names and inherits the rest", () => {
    expect(resolveRoute({ idleDeadlineMs: 5 }, base)).toEqual({
      firstByteDeadlineMs: 1_000,
      idleDeadlineMs: 5,
      recipientDeadlineMs: 905_000,
      heartbeatMs: false,
      holdBackOctets: 10,
      holdBackMs: 25,
      maxHeaderSectionOctets: 98_304,
      maxFieldLines: 256,
    });
  });

  it("that gives undefined inherits", () => {
    expect(resolveRoute({ firstByteDeadlineMs: undefined } as never, base).firstByteDeadlineMs).toBe(1_000);
  });

  it("is held to the same bounds", () => {
    expect(codeOf(() => resolveRoute({ holdBackMs: 0 }, base))).toBe("ERR_RAYGUARD_INVALID_OPTION");
  });
});

describe("a deadline of a request", () => {
  it.each([1, 95_000, 2_147_483_647, false] as const)("may be %j", (ms) => {
    expect(checkDeadline(ms)).toBe(ms);
  });

  it.each([0, -1, 1.5, 2_147_483_648, Number.NaN, "5", null, undefined, true])("cannot be %j", (ms) => {
    expect(codeOf(() => checkDeadline(ms))).toBe("ERR_RAYGUARD_INVALID_ARGUMENT");
  });
});

describe("timeouts of an attached server", () => {
  it("are raised above the pool of the edge, and put back by close()", () => {
    const server = createServer();
    const { keepAliveTimeout } = server;
    const guard = createGuard({ logger: false });
    guard.attach(server);
    expect(server.keepAliveTimeout).toBe(905_000);
    guard.close();
    expect(server.keepAliveTimeout).toBe(keepAliveTimeout);
  });

  it.each([0, 3_600_000])("stay at %d, which is longer", (keepAliveTimeout) => {
    const server = createServer();
    server.keepAliveTimeout = keepAliveTimeout;
    createGuard({ logger: false }).attach(server);
    expect(server.keepAliveTimeout).toBe(keepAliveTimeout);
  });

  it("stay as they are in report mode", () => {
    const { keepAliveTimeout } = createServer();
    const server = createGuard({ logger: false, mode: "report" }).attach(createServer());
    expect(server.keepAliveTimeout).toBe(keepAliveTimeout);
  });

  it("let a request arrive on a connection that was idle for longer than the default", async () => {
    const server = createServer((_request, response) => response.end("ok"));
    server.keepAliveTimeout = 1;
    createGuard({ logger: false }).attach(server);
    const { valid, responses } = await exchange(await listen(server), [{ path: "/1" }, { path: "/2" }]);
    expect(valid).toBe(true);
    expect(responses).toHaveLength(2);
    expect(server).toBeInstanceOf(Server);
  });
});

describe("a name that every object has", () => {
  const NAMES = ["constructor", "toString", "hasOwnProperty", "__proto__", "valueOf"];
  const PLACES: [place: string, options: (value: object) => object][] = [
    ["the options", (value) => value],
    ...["edge", "health", "watchdog", "shutdown", "overload", "trust"].map(
      (place): [string, (value: object) => object] => [place, (value) => ({ [place]: value })],
    ),
    ["recorder", (value) => ({ recorder: Object.assign(value, { path: "/tmp/none" }) })],
  ];

  it.each(PLACES)("is no option of %s", (_place, options) => {
    for (const name of NAMES) {
      const value = JSON.parse(`{ "${name}": 1 }`);
      expect(
        codeOf(() => createGuard({ ...options(value) } as GuardOptions)),
        name,
      ).toMatch(/^ERR_RAYGUARD_(?:UNKNOWN|INVALID)_OPTION$/);
    }
  });

  it("is no number of a route, no profile of an edge and no signal", () => {
    for (const name of NAMES) {
      const base = resolveOptions();
      expect(
        codeOf(() => resolveRoute(JSON.parse(`{ "${name}": 1 }`), base)),
        name,
      ).toBe("ERR_RAYGUARD_UNKNOWN_OPTION");
      expect(
        codeOf(() => resolve({ edge: name })),
        name,
      ).toBe("ERR_RAYGUARD_INVALID_OPTION");
      expect(
        codeOf(() => resolve({ shutdown: { signals: [name] } })),
        name,
      ).toBe("ERR_RAYGUARD_INVALID_OPTION");
    }
  });
});
