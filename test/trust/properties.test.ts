import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, isIP } from "node:net";
import { Writable } from "node:stream";
import fc from "fast-check";
import { pino } from "pino";
import proxyAddr from "proxy-addr";
import { describe, expect, it } from "vitest";
import { createGuard, type GuardOptions, type RequestContext, type RequestRecord } from "../../src/index.js";
import { Networks, readAddress, readNetwork } from "../../src/trust/addresses.js";
import { clientAddress, findCaller, judgePeer } from "../../src/trust/caller.js";
import { resolveTrust } from "../../src/trust/trust-options.js";
import { Wire } from "../helpers/wire.js";
import { listen } from "../testing/servers.js";

const RUNS = 300;

/** What anybody can put into a field: addresses, lists of them, escapes, octets over 127. */
const address = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.constantFrom("104.16.0.9", "127.0.0.1", "::ffff:104.16.0.9", "10.0.0.1", "fe80::1%eth0", "unknown", "_hidden"),
);
const written = fc.tuple(address, fc.constantFrom("", ":80", "%0", "]", "\t")).map(([ip, tail]) => ip + tail);
const list = fc.array(written, { maxLength: 6 }).map((entries) => entries.join(","));
const octets = fc
  .uint8Array({ maxLength: 60 })
  // What Node's parser refuses in a field never becomes a request.
  .map((bytes) =>
    Buffer.from(bytes.filter((octet) => octet === 9 || (octet >= 32 && octet !== 127))).toString("latin1"),
  );
const value = fc.oneof(address, written, list, octets);
const NAMES = ["CF-Connecting-IP", "CF-Connecting-IPv6", "True-Client-IP", "X-Forwarded-For", "CF-RAY", "CF-IPCountry"];
const fields = fc.array(fc.tuple(fc.constantFrom(...NAMES, "X-Real-IP", "Forwarded", "X-Edge-Secret"), value), {
  maxLength: 8,
});

const SETTINGS: GuardOptions["trust"][] = [
  "cloudflare",
  ["cloudflare", "uniquelocal"],
  "10.0.0.0/8, fc00::/7",
  { secret: { header: "X-Edge-Secret", value: "0123456789abcdef" } },
  { clientCertificate: true },
  { trueClientIp: true },
  (ip) => ip.startsWith("10."),
];

describe("whatever a peer that is not trusted sends", () => {
  it.each(SETTINGS)("never chooses the client address, nor reaches the log as it is: %j", async (trust) => {
    let text = "";
    const stream = new Writable({
      write(chunk, _encoding, done) {
        text += String(chunk);
        done();
      },
    });
    const told: RequestListener = (request, response) => {
      const { clientIp, verified, country, ray } = request.rayguard as RequestContext;
      response.end(JSON.stringify({ clientIp, verified, country, ray }));
    };
    const guard = createGuard({ logger: pino({ base: null }, stream), direct: "flag", ...(trust ? { trust } : {}) });
    const server = await listen(guard.attach(createServer(told)));
    const wire = await Wire.open((server.address() as AddressInfo).port);
    let count = 0;
    await fc.assert(
      fc.asyncProperty(fields, async (sent) => {
        text = "";
        wire.send(`GET / HTTP/1.1\r\nHost: a\r\n${sent.map(([name, v]) => `${name}: ${v}\r\n`).join("")}\r\n`, [
          { method: "GET", version: "1.1" },
        ]);
        expect(await wire.answers(++count)).toBe(true);
        const context = JSON.parse(wire.reader.responses[count - 1]?.text() ?? "");
        expect(context).toMatchObject({ clientIp: "127.0.0.1", verified: false, country: null });
        const lines = text.split("\n").filter((line) => line !== "");
        const line = lines.map((one) => JSON.parse(one)).find(({ msg }) => msg === "request") as RequestRecord;
        for (const one of lines) expect(one).toMatch(/^[\x20-\x7e]*$/);
        expect(line).toMatchObject({ clientIp: "127.0.0.1", verified: false, direct: true });
        if (line.claimedIp !== undefined) expect(isIP(line.claimedIp)).toBeGreaterThan(0);
        expect(line.ray ?? "0123456789abcdef").toMatch(/^[0-9a-f]{16}$/);
        expect(line.colo ?? "ABC").toMatch(/^[A-Z]{3}$/);
      }),
      { numRuns: RUNS },
    );
    expect(wire.finish().problems).toEqual([]);
  });
});

describe("whatever arrives through trusted hops", () => {
  it("never throws, and gives one address that stands in the request or is the peer's", () => {
    const headers = fields.map((sent) => Object.fromEntries(sent.map(([name, v]) => [name.toLowerCase(), v])));
    const peers = fc.oneof(address, fc.constant(undefined), octets);
    fc.assert(
      fc.property(
        fc.constantFrom(...SETTINGS, "loopback"),
        peers,
        headers,
        fc.boolean(),
        (trust, raw, sent, isUnix) => {
          const peer = judgePeer(resolveTrust(trust), { address: raw, isUnix, hasCertificate: false });
          const client = clientAddress(peer, findCaller(peer, sent), sent);
          if (client === null) {
            expect(peer.address).toBeNull();
            return;
          }
          expect(isIP(client)).toBeGreaterThan(0);
          const sources = [raw ?? "", ...Object.values(sent).flatMap((v) => v.split(","))].map(readAddress);
          expect(sources).toContain(client);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it("is followed as proxy-addr does, where there are proxies alone", () => {
    const trusted = ["127.0.0.0/8", "10.0.0.0/8", "104.16.0.0/13", "fc00::/7", "2001:db8::/33"];
    const hop = fc.oneof(
      fc.constantFrom(
        "127.0.0.1",
        "10.1.2.3",
        "104.23.0.1",
        "fd00::1",
        "2001:db8:7fff::1",
        "2001:db8:8000::1",
        "::ffff:10.0.0.1",
      ),
      fc.ipV4(),
      fc.ipV6().filter((ip) => !ip.includes(".")), // proxy-addr does not read all of those
    );
    const trust = resolveTrust(trusted);
    fc.assert(
      fc.property(hop, fc.array(hop, { minLength: 1, maxLength: 6 }), (remoteAddress, chain) => {
        const sent = { "x-forwarded-for": chain.join(", ") };
        const peer = judgePeer(trust, { address: remoteAddress });
        const theirs = proxyAddr({ headers: sent, socket: { remoteAddress } } as never, trusted);
        expect(clientAddress(peer, findCaller(peer, sent), sent)).toBe(readAddress(theirs));
      }),
      { numRuns: 3_000 },
    );
  });
});

describe("a network", () => {
  it("holds the addresses whose first bits are its own, and no others", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV4(), fc.integer({ min: 0, max: 32 }), (network, ip, prefix) => {
        const bits = (text: string) =>
          text
            .split(".")
            .map((octet) => Number(octet).toString(2).padStart(8, "0"))
            .join("");
        const inside = bits(network).slice(0, prefix) === bits(ip).slice(0, prefix);
        expect(networks(`${network}/${prefix}`).has(ip)).toBe(inside);
        expect(networks(`::ffff:${network}/${96 + prefix}`).has(ip)).toBe(inside);
      }),
      { numRuns: 3_000 },
    );
    const groups = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(groups, groups, fc.integer({ min: 0, max: 128 }), (own, rest, prefix) => {
        const bits = (all: number[]) => all.map((group) => group.toString(2).padStart(16, "0")).join("");
        const near = bits(own).slice(0, prefix) + bits(rest).slice(prefix);
        const ip =
          near
            .match(/.{16}/g)
            ?.map((group) => Number.parseInt(group, 2).toString(16))
            .join(":") ?? "";
        const text = own.map((group) => group.toString(16)).join(":");
        fc.pre(!text.startsWith("0:") && !ip.startsWith("0:"));
        expect(networks(`${text}/${prefix}`).has(ip)).toBe(true);
        if (prefix === 0) return;
        const flipped = near.slice(0, prefix - 1) + (near[prefix - 1] === "0" ? "1" : "0") + near.slice(prefix);
        const other =
          flipped
            .match(/.{16}/g)
            ?.map((group) => Number.parseInt(group, 2).toString(16))
            .join(":") ?? "";
        expect(networks(`${text}/${prefix}`).has(other)).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });
});

function networks(cidr: string): Networks {
  const network = readNetwork(cidr);
  if (network === null) throw new Error(`${cidr} is no network`);
  return new Networks([network]);
}
