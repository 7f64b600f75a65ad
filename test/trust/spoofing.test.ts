import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adoptRanges, currentRanges } from "../../src/cloudflare/ranges.js";
import { MESSAGES } from "../../src/report/log.js";
import { claimedAddress, clientAddress, findCaller, judgePeer } from "../../src/trust/caller.js";
import { resolveTrust } from "../../src/trust/trust-options.js";
import { type Kind, SERVERS, start } from "./origins.js";
import { CASES, type Case, EDGE, PROXY, STRANGER, TEST_RANGES } from "./spoofing.js";

const published = currentRanges();
beforeAll(() => adoptRanges({ ...published, ipv4: TEST_RANGES, ipv6: [] }));
afterAll(() => adoptRanges(published));

describe.each(Object.keys(SERVERS) as Kind[])("the client, over a socket of %s", (kind) => {
  it.each(CASES.map((one) => [one.name, one] as const))("%s", async (_name, { trust, peer, headers, expected }) => {
    const origin = await start(kind, trust === undefined ? {} : { trust });
    const { status, context, line } = await origin.ask(peer, headers);
    const { clientIp, verified, claimedIp, country } = expected;
    expect(status).toBe(200);
    expect(context).toEqual({ clientIp, verified, country });
    expect(line).toMatchObject({ clientIp, verified });
    expect(line?.claimedIp).toBe(claimedIp);
    expect(line).not.toHaveProperty("direct");
  });
});

describe("the client, by the address of the peer alone", () => {
  /** Peers and addresses that cannot be arranged on this machine. */
  const elsewhere: readonly [peer: string | undefined, trust: Case["trust"], xff: string, ip: string | null][] = [
    ["104.16.0.1", "cloudflare", "", "203.0.113.7"],
    ["::ffff:104.16.0.1", "cloudflare", "", "203.0.113.7"],
    ["2606:4700:10::6814:1", "cloudflare", "", "203.0.113.7"],
    ["104.15.255.255", "cloudflare", "", "104.15.255.255"],
    ["104.32.0.0", "cloudflare", "", "104.32.0.0"],
    ["2606:4701::1", "cloudflare", "", "2606:4701::1"],
    ["::ffff:198.51.100.1", "cloudflare", "", "198.51.100.1"],
    ["fe80::1%eth0", "cloudflare", "", "fe80::1"],
    ["fe80::1%eth0", ["cloudflare", "linklocal"], "203.0.113.7, 104.16.0.9", "203.0.113.7"],
    ["10.1.2.3", ["cloudflare", "uniquelocal"], "203.0.113.7, 104.16.0.9", "203.0.113.7"],
    ["::ffff:10.1.2.3", ["cloudflare", "uniquelocal"], "203.0.113.7, 104.16.0.9", "203.0.113.7"],
    ["fd00::5", ["cloudflare", "uniquelocal"], "203.0.113.7, 104.16.0.9", "203.0.113.7"],
    ["172.32.0.1", ["cloudflare", "uniquelocal"], "203.0.113.7, 104.16.0.9", "172.32.0.1"],
    ["10.1.2.3", ["cloudflare", "::ffff:10.0.0.0/104"], "203.0.113.7, 104.16.0.9", "203.0.113.7"],
    ["10.1.2.3", ["cloudflare", "10.0.0.0/255.255.0.0"], "203.0.113.7, 104.16.0.9", "10.1.2.3"],
    ["2001:db8:1::1", ["cloudflare", "2001:db8:1::/48"], "203.0.113.7, 104.16.0.9", "203.0.113.7"],
    ["2001:db8:2::1", ["cloudflare", "2001:db8:1::/48"], "203.0.113.7, 104.16.0.9", "2001:db8:2::1"],
    [undefined, "cloudflare", "", null],
    [undefined, "loopback", "", null],
    ["not an address", "loopback", "", null],
  ];

  beforeAll(() => adoptRanges(published));
  afterAll(() => adoptRanges({ ...published, ipv4: TEST_RANGES, ipv6: [] }));

  it.each(elsewhere)("is for %s with %j and %j: %s", (address, trust, xff, ip) => {
    const peer = judgePeer(resolveTrust(trust), { address });
    const headers = { "cf-connecting-ip": "203.0.113.7", "x-forwarded-for": xff };
    const caller = findCaller(peer, headers);
    expect(clientAddress(peer, caller, headers)).toBe(ip);
    expect(caller.verified).toBe(ip === "203.0.113.7");
    expect(claimedAddress(caller, headers)).toBe(caller.verified ? null : "203.0.113.7");
  });

  it("is decided in a time that does not grow with a chain that somebody has made long", () => {
    const peer = judgePeer(resolveTrust(["cloudflare", "loopback"]), { address: "127.0.0.1" });
    const headers = { "x-forwarded-for": `203.0.113.7${", 127.0.0.1".repeat(10_000)}` };
    expect(findCaller(peer, headers)).toEqual({ address: "127.0.0.1", verified: false, depth: 32 });
  });
});

describe("the advice what to trust", () => {
  const RAY = ["CF-RAY", "0123456789abcdef-FRA"] as const;

  it("comes once, with the first request that has a Ray ID and a peer nobody has named", async () => {
    const origin = await start("node:http", {});
    await origin.ask(STRANGER, []);
    expect(origin.warnings).toEqual([]);
    for (const peer of [STRANGER, STRANGER, "::1"]) await origin.ask(peer, [RAY, ["CF-Connecting-IP", "203.0.113.7"]]);
    expect(origin.warnings).toEqual([MESSAGES.trustLocalPeer]);
  });

  it.each([
    [EDGE, undefined],
    [STRANGER, "loopback"],
    [PROXY, ["cloudflare", PROXY]],
    [STRANGER, { secret: { header: "x", value: "0123456789abcdef" } }],
  ] as const)("does not come for %s with %j", async (peer, trust) => {
    const origin = await start("node:http", trust === undefined ? {} : { trust });
    await origin.ask(peer, [RAY]);
    expect(origin.warnings).toEqual([]);
  });
});
