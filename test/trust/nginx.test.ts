import { once } from "node:events";
import { createServer, type IncomingMessage, request as send } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adoptRanges, currentRanges } from "../../src/cloudflare/ranges.js";
import { createGuard, type GuardOptions, type RequestContext } from "../../src/index.js";
import { nginxPersistent } from "../proxies/nginx.js";
import { startProxy } from "../proxies/proxy.js";
import { listen } from "../testing/servers.js";
import { EDGE, STRANGER, TEST_RANGES } from "./spoofing.js";

const binary = nginxPersistent.find();
const APPENDS = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;";
const REAL_IP = `set_real_ip_from 127.0.0.32/28; real_ip_header CF-Connecting-IP; ${APPENDS}`;

const published = currentRanges();
beforeAll(() => adoptRanges({ ...published, ipv4: TEST_RANGES, ipv6: [] }));
afterAll(() => adoptRanges(published));

/** What the app behind nginx sees of a request that `from` has sent to nginx. */
async function seenBehind(settings: string, trust: GuardOptions["trust"], from: string): Promise<unknown> {
  const server = createServer((request, response) => {
    const { clientIp, verified, country } = request.rayguard as RequestContext;
    response.end(JSON.stringify({ clientIp, verified, country }));
  });
  const guard = createGuard({ logger: false, ...(trust === undefined ? {} : { trust }) });
  const { port: origin } = (await listen(guard.attach(server))).address() as AddressInfo;
  const configure: typeof nginxPersistent.configure = (routes, folder) =>
    nginxPersistent.configure(routes, folder).replace("proxy_http_version 1.1;", `proxy_http_version 1.1; ${settings}`);
  const { ports, stop } = await startProxy({ ...nginxPersistent, configure }, binary as string, [origin]);
  try {
    const headers = {
      "CF-Connecting-IP": "203.0.113.7",
      "CF-IPCountry": "DE",
      // What the edge makes of a client that has sent 104.16.0.9, and a stranger can make up.
      "X-Forwarded-For": "104.16.0.9, 203.0.113.7",
    };
    const asking = send({ port: ports[0], host: "127.0.0.1", localAddress: from, agent: false, headers }).end();
    const [response] = (await once(asking, "response")) as [IncomingMessage];
    let body = "";
    for await (const chunk of response) body += String(chunk);
    return JSON.parse(body);
  } finally {
    await stop();
  }
}

describe.skipIf(binary === undefined)("behind nginx", () => {
  const client = { clientIp: "203.0.113.7", verified: true };

  it.each<[what: string, settings: string, trust: GuardOptions["trust"], from: string, seen: object]>([
    ["the edge, through a proxy in the list", APPENDS, ["cloudflare", "127.0.0.1"], EDGE, { ...client, country: "DE" }],
    [
      "a stranger, through a proxy in the list",
      APPENDS,
      ["cloudflare", "127.0.0.1"],
      STRANGER,
      { clientIp: STRANGER, verified: false, country: null },
    ],
    ["the edge, by default", APPENDS, undefined, EDGE, { clientIp: "127.0.0.1", verified: false, country: null }],
    ["the edge, through real_ip", REAL_IP, { hops: "127.0.0.1" }, EDGE, { ...client, country: null }],
    [
      "a stranger, through real_ip",
      REAL_IP,
      { hops: "127.0.0.1" },
      STRANGER,
      { clientIp: STRANGER, verified: true, country: null },
    ],
  ])("%s is seen for what it is", async (_what, settings, trust, from, seen) => {
    expect(await seenBehind(settings, trust, from)).toEqual(seen);
  });
});
