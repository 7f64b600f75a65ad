import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type ExchangeRequest, exchange } from "../../src/testing/index.js";
import { apachePersistent } from "../proxies/apache.js";
import { haproxy } from "../proxies/haproxy.js";
import { nginxPersistent } from "../proxies/nginx.js";
import { freePorts, type ProxyKind, type RunningProxy, startProxy } from "../proxies/proxy.js";
import { HEADERS, RAY } from "./behind.js";
import { OriginProcess } from "./origin-process.js";

type Shown = number | "nothing" | "not HTTP";
type Failure = "down" | "killed" | "hanging" | "bad name" | "garbage" | "own 502" | "100 KB";

/** What the edge sees of the same failures where a proxy has no more than it needs to run. */
const SHOWN: readonly [ProxyKind, Record<Failure, Shown>][] = [
  [
    nginxPersistent,
    { down: 502, killed: 502, hanging: 504, "bad name": 502, garbage: "not HTTP", "own 502": 502, "100 KB": 502 },
  ],
  [
    haproxy,
    { down: 503, killed: "nothing", hanging: 504, "bad name": 502, garbage: 502, "own 502": 502, "100 KB": 502 },
  ],
  [
    apachePersistent,
    { down: 503, killed: "nothing", hanging: 502, "bad name": 500, garbage: 200, "own 502": 502, "100 KB": 502 },
  ],
];

// What the shipped configurations are tested for means something only where a plain one fails.
for (const [kind, shown] of SHOWN) {
  const binary = kind.find();
  if (binary === undefined) console.warn(`test/deploy: no ${kind.name} here; to have it tested: ${kind.install}`);

  describe.skipIf(binary === undefined)(`an app that fails behind a plain ${kind.name}`, { timeout: 40_000 }, () => {
    let proxy: RunningProxy;
    let origin: OriginProcess;

    beforeAll(async () => {
      const [port] = (await freePorts(1)) as [number];
      origin = new OriginProcess(port);
      proxy = await startProxy(kind, binary as string, [port]);
    }, 30_000);
    beforeEach(() => origin.run());
    afterAll(async () => {
      await origin?.kill();
      await proxy?.stop();
    });

    /** The answer to the second request of a connection, as most of the edge's are. */
    async function see(path: string, before?: () => Promise<void>): Promise<Shown> {
      const request: ExchangeRequest = { path, method: "POST", body: "x", headers: HEADERS };
      const pending = exchange({ port: proxy.ports[0] as number }, [{ path: "/ok", headers: HEADERS }, request]);
      await before?.();
      const { responses } = await pending;
      expect(responses[0]?.status).toBe(200);
      const second = responses[1];
      if (second === undefined) return "nothing";
      expect(second.text()).not.toContain(RAY);
      return second.status === 0 ? "not HTTP" : second.status;
    }

    it("shows what the edge replaces, or nothing at all", async () => {
      const seen: Partial<Record<Failure, Shown>> = {
        killed: await see("/hang", async () => {
          await origin.told("begun");
          await origin.kill();
        }),
      };
      await origin.run();
      seen.hanging = await see("/hang");
      seen["bad name"] = await see("/raw/bad-name");
      seen.garbage = await see("/raw/garbage");
      seen["own 502"] = await see("/status/502");
      seen["100 KB"] = await see("/headers/100000");
      await origin.kill();
      const { responses } = await exchange({ port: proxy.ports[0] as number }, { headers: HEADERS });
      seen.down = responses[0]?.status ?? "nothing";
      expect(seen).toEqual(shown);
    });
  });
}
