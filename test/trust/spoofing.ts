import type { GuardOptions } from "../../src/index.js";

/** Addresses of this machine that stand for the parties; where a test needs them, `EDGE` is among Cloudflare's ranges. */
export const EDGE = "127.0.0.40";
export const PROXY = "127.0.0.5";
export const STRANGER = "127.0.0.66";

/** Cloudflare's ranges as they are for these tests. */
export const TEST_RANGES = ["104.16.0.0/13", "2606:4700::/32", "127.0.0.32/28"];

/** An address of the edge in X-Forwarded-For. */
const HOP = "104.16.0.9";
const SECRET = "0123456789abcdef-secret";

/** What the words in the table stand for. CLIENT is the visitor, FORGED what somebody would like to be taken for. */
const WORDS: Readonly<Record<string, string>> = {
  ...{ EDGE, PROXY, STRANGER, HOP, SECRET },
  ...{ CLIENT: "203.0.113.7", CLIENT6: "2001:db8::7", FORGED: "198.51.100.9" },
  ...{ CF: "CF-Connecting-IP", XFF: "X-Forwarded-For", COUNTRY: "CF-IPCountry" },
};

export type Expected = { clientIp: string; verified: boolean; claimedIp: string | undefined; country: string | null };
export type Case = {
  readonly name: string;
  readonly trust: GuardOptions["trust"];
  readonly peer: string;
  readonly headers: readonly [string, string][];
  readonly expected: Expected;
};

type Row = [peer: string, says: string, result: string];

const throwing = (): boolean => {
  throw new Error("not today");
};
const promising = (async () => true) as never;

/** Every combination of who connects, what it says, and who is trusted, with the address that must come out. */
const TABLE: readonly (readonly [trust: GuardOptions["trust"], rows: readonly Row[]])[] = [
  [
    undefined, // the edge by its addresses
    [
      ["EDGE", "CF: CLIENT", "CLIENT verified"],
      ["EDGE", "CF: CLIENT6", "CLIENT6 verified"],
      ["EDGE", "CF: ::ffff:CLIENT", "CLIENT verified"],
      ["EDGE", "CF: CLIENT | XFF: FORGED, CLIENT", "CLIENT verified"],
      ["EDGE", "XFF: FORGED, CLIENT", "CLIENT verified"],
      ["EDGE", "XFF: FORGED,", "EDGE verified"],
      ["EDGE", "", "EDGE verified"],
      ["EDGE", "CF: nonsense | XFF: CLIENT", "CLIENT verified"],
      ["EDGE", "CF: CLIENT | CF: FORGED", "EDGE verified"],
      ["EDGE", "CF: CLIENT | True-Client-IP: FORGED", "CLIENT verified"],
      ["EDGE", "CF: CLIENT | X-Real-IP: FORGED", "CLIENT verified"],
      ["EDGE", "CF: CLIENT | Forwarded: for=FORGED", "CLIENT verified"],
      ["EDGE", "CF: CLIENT | COUNTRY: DE", "CLIENT verified in DE"],
      ["EDGE", "CF: CLIENT | COUNTRY: <b>", "CLIENT verified"],
      ["EDGE", "CF: 240.1.2.3 | CF-Connecting-IPv6: CLIENT6", "CLIENT6 verified"],
      ["EDGE", "CF: 255.1.2.3 | CF-Connecting-IPv6: CLIENT6", "CLIENT6 verified"],
      ["EDGE", "CF: 240.1.2.3 | CF-Connecting-IPv6: FORGED", "240.1.2.3 verified"],
      ["EDGE", "CF: 240.1.2.3", "240.1.2.3 verified"],
      ["EDGE", "CF: CLIENT | CF-Connecting-IPv6: CLIENT6", "CLIENT verified"],
      ["EDGE", "CF: 2400:cb00::7 | CF-Connecting-IPv6: CLIENT6", "2400:cb00::7 verified"],
      ["EDGE", "CF: 2a06:98c0:3600::103", "2a06:98c0:3600::103 verified"],
      ["STRANGER", "CF: CLIENT", "STRANGER claims CLIENT"],
      ["STRANGER", "CF: CLIENT6 | XFF: FORGED", "STRANGER claims CLIENT6"],
      ["STRANGER", "CF: ::FFFF:CLIENT", "STRANGER claims CLIENT"],
      ["STRANGER", "CF: CLIENT, FORGED", "STRANGER"],
      ["STRANGER", 'CF: "><script>', "STRANGER"],
      ["STRANGER", "CF: fe80::1%eth0", "STRANGER"],
      ["STRANGER", "CF: [CLIENT6]:80", "STRANGER"],
      ["STRANGER", "CF: STRANGER", "STRANGER"],
      ["STRANGER", "XFF: FORGED, HOP", "STRANGER"],
      ["STRANGER", "CF: FORGED | XFF: CLIENT, HOP | COUNTRY: DE", "STRANGER claims FORGED"],
      ["STRANGER", "True-Client-IP: FORGED | CF-Connecting-IPv6: CLIENT6 | X-Real-IP: FORGED", "STRANGER"],
      ["127.0.0.1", "CF: CLIENT", "127.0.0.1 claims CLIENT"],
      ["::1", "CF: CLIENT", "::1 claims CLIENT"],
      ["127.0.0.31", "CF: CLIENT", "127.0.0.31 claims CLIENT"],
      ["127.0.0.32", "CF: CLIENT", "CLIENT verified"],
      ["127.0.0.47", "CF: CLIENT", "CLIENT verified"],
      ["127.0.0.48", "CF: CLIENT", "127.0.0.48 claims CLIENT"],
    ],
  ],
  [
    "loopback", // cloudflared
    [
      ["127.0.0.1", "CF: CLIENT", "CLIENT verified"],
      ["::1", "CF: CLIENT | COUNTRY: T1", "CLIENT verified in T1"],
      ["127.0.0.1", "XFF: FORGED, CLIENT", "CLIENT verified"],
      ["127.0.0.1", "CF: x", "127.0.0.1 verified"],
    ],
  ],
  [
    ["cloudflare", PROXY], // a reverse proxy behind the edge
    [
      ["PROXY", "CF: CLIENT | XFF: CLIENT, HOP", "CLIENT verified"],
      ["PROXY", "CF: CLIENT | XFF: FORGED, CLIENT, HOP | COUNTRY: DE", "CLIENT verified in DE"],
      ["PROXY", "CF: CLIENT6 | XFF: CLIENT6, [2606:4700::1]:443", "CLIENT6 verified"],
      ["PROXY", "CF: CLIENT | XFF: CLIENT, HOP:51234", "CLIENT verified"],
      ["PROXY", "CF: CLIENT | XFF: CLIENT, ::ffff:HOP", "CLIENT verified"],
      ["PROXY", "CF: CLIENT | XFF: CLIENT | XFF: HOP", "CLIENT verified"],
      ["PROXY", "XFF: FORGED, CLIENT, HOP", "CLIENT verified"],
      ["PROXY", "XFF: HOP", "HOP verified"],
      ["PROXY", "CF: CLIENT | XFF: CLIENT, HOP, PROXY", "CLIENT verified"],
      ["PROXY", "CF: FORGED | XFF: STRANGER", "STRANGER claims FORGED"],
      ["PROXY", "CF: FORGED | XFF: CLIENT, HOP, STRANGER | COUNTRY: DE", "STRANGER claims FORGED"],
      ["PROXY", "CF: FORGED | XFF: HOP, PROXY, STRANGER", "STRANGER claims FORGED"],
      ["PROXY", "CF: FORGED", "PROXY claims FORGED"],
      ["PROXY", "CF: FORGED | XFF: ", "PROXY claims FORGED"],
      ["PROXY", "CF: FORGED | XFF: HOP, unknown", "PROXY claims FORGED"],
      ["PROXY", "CF: FORGED | XFF: HOP,", "PROXY claims FORGED"],
      ["PROXY", "CF: FORGED | XFF: HOP, HOP:port", "PROXY claims FORGED"],
      ["PROXY", "CF: FORGED | XFF: HOP, [HOP]", "PROXY claims FORGED"],
      ["EDGE", "CF: CLIENT | XFF: FORGED, CLIENT", "CLIENT verified"],
      ["STRANGER", "CF: FORGED | XFF: CLIENT, HOP", "STRANGER claims FORGED"],
    ],
  ],
  [
    `${PROXY}, 10.0.0.0/8`, // proxies alone, as Express has them: nobody names clients
    [
      ["PROXY", "XFF: FORGED, CLIENT", "CLIENT verified"],
      ["PROXY", "CF: FORGED | XFF: FORGED, CLIENT, 10.1.2.3 | COUNTRY: DE", "CLIENT verified"],
      ["PROXY", "CF: FORGED", "PROXY verified"],
      ["PROXY", "XFF: 10.1.2.3, 10.1.2.4", "10.1.2.3 verified"],
      ["PROXY", "XFF: FORGED, fe80::1%25eth0", "fe80::1 verified"],
      ["STRANGER", "CF: FORGED | XFF: CLIENT", "STRANGER claims FORGED"],
    ],
  ],
  [
    (address, hop) => address === PROXY || (hop === 1 && address === HOP),
    [
      ["PROXY", "CF: FORGED | XFF: FORGED, CLIENT, HOP", "CLIENT verified"],
      ["PROXY", "XFF: FORGED, HOP, CLIENT", "CLIENT verified"],
      ["STRANGER", "XFF: CLIENT", "STRANGER"],
    ],
  ],
  [
    { edge: PROXY, hops: "127.0.0.6" }, // cloudflared in a container of its own, a proxy in front of the app
    [
      ["PROXY", "CF: CLIENT", "CLIENT verified"],
      ["127.0.0.6", "CF: CLIENT | XFF: CLIENT, PROXY", "CLIENT verified"],
      ["127.0.0.6", "CF: FORGED | XFF: CLIENT, HOP", "HOP claims FORGED"],
      ["EDGE", "CF: FORGED", "EDGE claims FORGED"],
    ],
  ],
  [
    { edge: EDGE, hops: "127.0.0.0/8" }, // who is both is the edge
    [
      ["EDGE", "CF: CLIENT | XFF: FORGED, STRANGER", "CLIENT verified"],
      ["PROXY", "CF: CLIENT | XFF: FORGED, EDGE", "CLIENT verified"],
      ["PROXY", "CF: FORGED | XFF: EDGE, CLIENT", "CLIENT claims FORGED"],
    ],
  ],
  [
    { secret: { header: "X-Edge-Secret", values: ["another-secret-of-20", SECRET] } },
    [
      ["STRANGER", "CF: CLIENT | x-edge-secret: SECRET | COUNTRY: DE", "CLIENT verified in DE"],
      ["STRANGER", "CF: CLIENT | x-EDGE-secret: another-secret-of-20", "CLIENT verified"],
      ["STRANGER", "XFF: FORGED | X-Edge-Secret: SECRET", "STRANGER verified"],
      ["STRANGER", "CF: FORGED | X-Edge-Secret: SECRET+", "STRANGER claims FORGED"],
      ["STRANGER", "CF: FORGED | X-Edge-Secret: 0123456789abcdef-secre", "STRANGER claims FORGED"],
      ["STRANGER", "CF: FORGED | X-Edge-Secret: SECRET | X-Edge-Secret: SECRET", "STRANGER claims FORGED"],
      ["STRANGER", "CF: FORGED | X-Edge-Secret: ", "STRANGER claims FORGED"],
      ["EDGE", "CF: FORGED | COUNTRY: DE", "EDGE claims FORGED"],
    ],
  ],
  [
    { edge: "cloudflare", hops: PROXY, secret: { header: "X-Edge-Secret", value: SECRET } }, // both must hold
    [
      ["EDGE", "CF: CLIENT | X-Edge-Secret: SECRET", "CLIENT verified"],
      ["EDGE", "CF: FORGED", "EDGE claims FORGED"],
      ["STRANGER", "CF: FORGED | X-Edge-Secret: SECRET", "STRANGER claims FORGED"],
      ["PROXY", "CF: CLIENT | XFF: CLIENT, HOP | X-Edge-Secret: SECRET", "CLIENT verified"],
      ["PROXY", "CF: FORGED | XFF: CLIENT, HOP", "HOP claims FORGED"],
      ["PROXY", "CF: FORGED | XFF: STRANGER | X-Edge-Secret: SECRET", "STRANGER claims FORGED"],
    ],
  ],
  [
    { hops: [PROXY, "cloudflare"], secret: { header: "X-Edge-Secret", value: SECRET } },
    [
      ["PROXY", "XFF: FORGED, CLIENT, HOP | X-Edge-Secret: SECRET", "CLIENT verified"],
      ["PROXY", "XFF: FORGED, CLIENT, HOP", "CLIENT"],
    ],
  ],
  [
    { trueClientIp: true },
    [
      ["EDGE", "CF: FORGED | True-Client-IP: CLIENT", "CLIENT verified"],
      ["EDGE", "CF: CLIENT | True-Client-IP: x", "CLIENT verified"],
      ["STRANGER", "True-Client-IP: FORGED", "STRANGER"],
    ],
  ],
  [
    { clientCertificate: true }, // over plain HTTP nobody shows one
    [["EDGE", "CF: FORGED", "EDGE claims FORGED"]],
  ],
  [throwing, [["EDGE", "XFF: FORGED", "EDGE"]]],
  [
    promising, // a promise is no answer
    [["STRANGER", "XFF: FORGED", "STRANGER"]],
  ],
];

export const CASES: readonly Case[] = TABLE.flatMap(([trust, rows]) =>
  rows.map(([peer, says, result]) => {
    const setting = typeof trust === "function" ? "a function" : (JSON.stringify(trust) ?? "the default");
    return {
      name: `${setting}: ${peer} says ${says || "nothing"}: ${result}`,
      trust,
      peer: spell(peer),
      headers: says === "" ? [] : says.split(" | ").map(fieldOf),
      expected: expectedOf(spell(result)),
    };
  }),
);

function fieldOf(line: string): [string, string] {
  const [, name = "", value = ""] = /^(\S+): ?(.*)$/.exec(spell(line)) ?? [];
  return [name, value];
}

function expectedOf(result: string): Expected {
  const [, clientIp = "", verified, country = null, claimedIp] =
    /^(\S+)( verified)?(?: in (\S+))?(?: claims (\S+))?$/.exec(result) ?? [];
  return { clientIp, verified: verified !== undefined, claimedIp, country };
}

function spell(text: string): string {
  return text.replace(/\b[A-Z]+[0-9]?\b(?!-)/g, (word) => WORDS[word] ?? word);
}
