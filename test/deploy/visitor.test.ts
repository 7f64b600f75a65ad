import { once } from "node:events";
import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGuard } from "../../src/index.js";
import { exchange } from "../../src/testing/index.js";
import { type RunningProxy, startProxy } from "../proxies/proxy.js";
import { HEADERS, RAY } from "./behind.js";
import { shippedApache, shippedHaproxy, shippedNginx } from "./shipped.js";

// As docs/guides/deploy.md has it.
const guard = createGuard({ trust: "loopback", logger: false, crash: false, shutdown: false });
const server = createServer(
  guard.listener((req, res) => {
    const { ray, clientIp, verified } = req.rayguard;
    res.end(JSON.stringify({ ray, clientIp, verified }));
  }),
);

beforeAll(async () => {
  guard.attach(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
});
afterAll(async () => {
  server.closeAllConnections();
  await once(server.close(), "close");
  guard.close();
});

for (const kind of [shippedNginx, shippedHaproxy, shippedApache]) {
  const binary = kind.find();
  if (binary === undefined) console.warn(`test/deploy: no ${kind.name} here; to have it tested: ${kind.install}`);

  describe.skipIf(binary === undefined)(`a guarded app behind the shipped ${kind.name}`, () => {
    let proxy: RunningProxy;
    beforeAll(async () => {
      const { port } = server.address() as AddressInfo;
      proxy = await startProxy(kind, binary as string, Array(kind.listens).fill(port));
    }, 30_000);
    afterAll(() => proxy?.stop());

    it("knows the visitor, whatever the visitor says of others", async () => {
      const headers = { ...HEADERS, "X-Forwarded-For": "198.51.100.9" };
      const { responses, valid } = await exchange({ port: proxy.ports[0] as number }, { headers });
      expect(valid).toBe(true);
      expect(JSON.parse(responses[0]?.text() ?? "")).toEqual({
        ray: { id: RAY, colo: "SJC" },
        clientIp: "203.0.113.7",
        verified: true,
      });
    });

    it("hears nothing of who comes around the edge", async () => {
      const before = guard.stats();
      const from = { host: "127.0.0.1", port: proxy.ports[0] as number, localAddress: "127.0.0.2", agent: false };
      const [response] = await once(get({ ...from, headers: HEADERS }), "response");
      await once(response.resume(), "end");
      expect(response.statusCode).toBe(403);
      expect(guard.stats()).toEqual(before);
    });
  });
}
