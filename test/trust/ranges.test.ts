import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { PUBLISHED_RANGES } from "../../src/cloudflare/published-ranges.js";
import { adoptRanges, isCloudflare } from "../../src/cloudflare/ranges.js";
import { createGuard, currentRanges, type RefreshOptions, refreshRanges } from "../../src/index.js";
import { exchange } from "../../src/testing/index.js";
import { listen } from "../testing/servers.js";

const shipped = currentRanges();
afterEach(() => adoptRanges(shipped));

const { etag, ipv4, ipv6 } = PUBLISHED_RANGES;
const published = (result: object = {}, success: unknown = true) =>
  JSON.stringify({
    result: { etag, ipv4_cidrs: ipv4, ipv6_cidrs: ipv6, ...result },
    success,
    errors: [],
    messages: [],
  });

/** A server of the list, and a refresh that asks it. */
async function serve(answer: string | RequestListener) {
  const listener: RequestListener = typeof answer === "string" ? (_request, response) => response.end(answer) : answer;
  const server = await listen(createServer(listener));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/client/v4/ips`;
  return (options: RefreshOptions = {}) => refreshRanges({ url, ...options });
}

/** What a refresh that fails says. */
async function refusal(refresh: Promise<unknown>): Promise<string> {
  const error = await refresh.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: "RayguardError", code: "ERR_RAYGUARD_RANGES" });
  expect(currentRanges()).toBe(shipped);
  return (error as Error).message;
}

describe("the ranges in the package", () => {
  it("hold what Cloudflare publishes, at their very edges", () => {
    for (const inside of ["173.245.48.0", "173.245.63.255", "104.16.0.0", "104.27.255.255", "131.0.75.255"])
      expect(isCloudflare(inside), inside).toBe(true);
    for (const inside of ["2400:cb00::", "2606:4700:ffff:ffff:ffff:ffff:ffff:ffff", "2a06:98c7:ffff::"])
      expect(isCloudflare(inside), inside).toBe(true);
    for (const outside of ["173.245.47.255", "173.245.64.0", "104.28.0.0", "131.0.76.0", "0.0.0.0", "255.255.255.255"])
      expect(isCloudflare(outside), outside).toBe(false);
    for (const outside of ["2400:cb01::", "2606:46ff::", "2606:4701::", "2a06:98c8::", "::", "::1", "::104.16.0.1"])
      expect(isCloudflare(outside), outside).toBe(false);
  });

  it("are not older than half a year", ({ annotate }) => {
    const days = Math.floor((Date.now() - Date.parse(PUBLISHED_RANGES.date)) / 86_400_000);
    expect(days).toBeGreaterThanOrEqual(0);
    // A warning: the list is still the best there is, and a build of an old version must not fail for its age.
    if (days > 180) {
      const text = `src/cloudflare/published-ranges.ts is ${days} days old: compare it with https://www.cloudflare.com/ips/`;
      console.warn(text);
      void annotate(text, "warning");
    }
  });
});

describe("refreshRanges()", () => {
  it("finds nothing new where the list is the same, in whatever order", async () => {
    const refresh = await serve(published({ ipv4_cidrs: [...ipv4].reverse() }));
    const date = new Date().toISOString().slice(0, 10);
    expect(await refresh()).toMatchObject({ changed: false, etag, date, ipv6 });
    expect(currentRanges()).toMatchObject({ date });
  });

  it("puts another list in force for every guard, all at once", async () => {
    const seen: boolean[] = [];
    const guard = createGuard({ logger: false, trust: ["cloudflare", "loopback"] });
    const listener: RequestListener = (request, response) => {
      seen.push(request.rayguard?.verified === true);
      response.end();
    };
    const server = await listen(guard.attach(createServer(listener)));
    const asked = { path: "/", headers: { "X-Forwarded-For": "8.8.8.8" } };
    await exchange(server, asked);
    const refresh = await serve(published({ etag: "another", ipv4_cidrs: ["8.8.8.0/24"] }));
    const refreshed = await refresh();
    expect(refreshed).toMatchObject({ changed: true, etag: "another", ipv4: ["8.8.8.0/24"], ipv6 });
    expect(currentRanges()).toMatchObject({ etag: "another", ipv4: ["8.8.8.0/24"] });
    expect(isCloudflare("104.16.0.1")).toBe(false);
    await exchange(server, asked);
    expect(seen).toEqual([false, true]);
  });

  it("takes a list without a digest, and no digest that is none", async () => {
    expect((await (await serve(published({ etag: undefined })))()).etag).toBeNull();
    expect((await (await serve(published({ etag: "a b\n" })))()).etag).toBeNull();
  });

  it.each<[what: string, answer: string, says: RegExp]>([
    ["no JSON", "<html>", /the answer is not JSON\.$/],
    ["nothing", "", /the answer is not JSON\.$/],
    ["another shape", "[]", /does not say success: true/],
    ["null", "null", /does not say success: true/],
    ["a failure", published({}, false), /does not say success: true/],
    ["success in another type", published({}, "true"), /does not say success: true/],
    ["no list", published({ ipv4_cidrs: undefined }), /ipv4_cidrs is no list of 1 to 200 networks/],
    ["an empty list", published({ ipv6_cidrs: [] }), /ipv6_cidrs is no list/],
    ["too many", published({ ipv4_cidrs: Array(201).fill("104.16.0.0/24") }), /ipv4_cidrs is no list/],
    ["an object", published({ ipv4_cidrs: { 0: "104.16.0.0/13", length: 1 } }), /ipv4_cidrs is no list/],
    ["the whole internet", published({ ipv4_cidrs: ["0.0.0.0/0"] }), /"0\.0\.0\.0\/0", which is wider than \/10/],
    ["half of it", published({ ipv4_cidrs: ["0.0.0.0/1", "128.0.0.0/1"] }), /wider than \/10/],
    ["all of IPv6", published({ ipv6_cidrs: ["::/0"] }), /"::\/0", which is wider than \/20/],
    ["a /8", published({ ipv4_cidrs: ["104.0.0.0/8"] }), /wider than \/10/],
    [
      "a large part in pieces",
      published({ ipv4_cidrs: [0, 64, 128, 192].flatMap((b) => [`41.${b}.0.0/10`, `42.${b}.0.0/10`]) }),
      /hold 33554432 addresses/,
    ],
    ["this machine", published({ ipv4_cidrs: [...ipv4, "127.0.0.1/32"] }), /"127\.0\.0\.1\/32", which is not public/],
    ["a private network", published({ ipv4_cidrs: ["10.1.0.0/16"] }), /not public/],
    ["one that holds a private network", published({ ipv4_cidrs: ["192.128.0.0/10"] }), /not public/],
    ["a shared network", published({ ipv4_cidrs: ["100.64.0.0/10"] }), /not public/],
    ["multicast", published({ ipv4_cidrs: ["224.0.0.0/24"] }), /not public/],
    ["loopback of IPv6", published({ ipv6_cidrs: ["::1/128"] }), /not public/],
    ["a unique local network", published({ ipv6_cidrs: ["fd00::/32"] }), /not public/],
    ["link-local", published({ ipv6_cidrs: ["fe80::/64"] }), /not public/],
    ["6to4", published({ ipv6_cidrs: ["2002:7f00::/24"] }), /not public/],
    ["IPv4 in IPv6", published({ ipv6_cidrs: ["::ffff:10.0.0.0/104"] }), /no IPv6 network/],
    ["IPv4 among IPv6", published({ ipv6_cidrs: ["104.16.0.0/13"] }), /no IPv6 network/],
    ["an address", published({ ipv4_cidrs: ["104.16.0.1"] }), /no IPv4 network/],
    ["host bits", published({ ipv4_cidrs: ["104.16.0.1/13"] }), /no IPv4 network/],
    ["a netmask", published({ ipv4_cidrs: ["104.16.0.0/33"] }), /no IPv4 network/],
    ["text", published({ ipv4_cidrs: ["\u001b[31m"] }), /holds "\\u001b\[31m", which is no IPv4 network/],
    ["numbers", published({ ipv4_cidrs: [1] }), /no IPv4 network/],
  ])("leaves the list as it is for %s", async (_what, answer, says) => {
    expect(await refusal((await serve(answer))())).toMatch(says);
  });

  it("leaves the list as it is for another status, a redirection, an endless answer, and one that breaks off", async () => {
    const list = published({ ipv4_cidrs: ["8.8.8.0/24"] });
    const cases: [RequestListener, RegExp][] = [
      [(_, r) => void r.writeHead(500).end(list), /answered with status 500/],
      [(_, r) => void r.writeHead(203).end(list), /answered with status 203/],
      [(q, r) => void (q.url === "/b" ? r.end(list) : r.writeHead(302, { Location: "/b" }).end()), /could not be read/],
      [(_, r) => void r.end(" ".repeat(70_000) + list), /more than 65536 octets/],
      [(_, r) => void r.write(list, () => r.destroy()), /could not be read/],
    ];
    for (const [listener, says] of cases) expect(await refusal((await serve(listener))())).toMatch(says);
  });

  it("gives up in time, or when told to", async () => {
    const refresh = await serve(() => {});
    expect(await refusal(refresh({ timeoutMs: 30 }))).toMatch(/could not be read/);
    const controller = new AbortController();
    const waiting = refusal(refresh({ signal: controller.signal }));
    controller.abort(new Error("enough"));
    expect(await waiting).toMatch(/could not be read/);
    expect(await refusal(refresh({ timeoutMs: 0 }))).toMatch(/timeoutMs must be a whole number/);
  });

  it.each(["http://192.0.2.1/ips", "ftp://localhost/", "ips", "http://localhost.example/"])(
    "does not ask %s",
    async (url) => {
      const fetch = () => Promise.reject(new Error("asked"));
      expect(await refusal(refreshRanges({ url, fetch }))).toMatch(/^Cloudflare's .*url must be an https address/);
    },
  );

  it("asks Cloudflare unless told otherwise, and takes the fetch it is given", async () => {
    const asked: string[] = [];
    const fetch = async (url: string | URL | Request) => {
      asked.push(String(url));
      return new Response(published());
    };
    expect(await refreshRanges({ fetch })).toMatchObject({ changed: false });
    expect(asked).toEqual(["https://api.cloudflare.com/client/v4/ips"]);
  });
});
