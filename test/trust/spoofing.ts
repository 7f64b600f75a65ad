import type { GuardOptions } from "../../src/index.js";

/** Addresses of this machine that stand for the parties; where a test needs them, `EDGE` is among Cloudflare's ranges. */
export const EDGE = "127.0.0.40";
export const PROXY = "127.0.0.5";
export const STRANGER = "127.0.0.66";

/** Cloudflare's ranges as they are for these tests. */
export const TEST_RANGES = ["104.16.0.0/13", "2606:4700::/32", "127.0.0.32/28"];

const CLIENT = "203.0.113.7";
const CLIENT6 = "2001:db8::7";
const FORGED = "198.51.100.9";
/** An address of the edge in X-Forwarded-For. */
const HOP = "104.16.0.9";
const SECRET = "0123456789abcdef-secret";

export type Expected = { clientIp: string; verified: boolean; claimedIp?: string; country?: string };
export type Case = {
  readonly trust: GuardOptions["trust"];
  readonly peer: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly expected: Expected;
};

const CF = "CF-Connecting-IP";
const XFF = "X-Forwarded-For";
const COUNTRY = "CF-IPCountry";

const seen = (clientIp: string, more: Partial<Expected> = {}): Expected => ({ clientIp, verified: true, ...more });
const alone = (clientIp: string, claimedIp?: string): Expected => ({
  clientIp,
  verified: false,
  ...(claimedIp === undefined ? {} : { claimedIp }),
});

type Row = [peer: string, headers: readonly (readonly [string, string])[], expected: Expected];

/** Every combination of who connects, what it says, and who is trusted, with the address that must come out. */
const TABLE: readonly (readonly [trust: GuardOptions["trust"], rows: readonly Row[]])[] = [
  [
    undefined, // the edge by its addresses
    [
      [EDGE, [[CF, CLIENT]], seen(CLIENT)],
      [EDGE, [[CF, CLIENT6]], seen(CLIENT6)],
      [EDGE, [[CF, "::ffff:203.0.113.7"]], seen(CLIENT)],
      [
        EDGE,
        [
          [CF, CLIENT],
          [XFF, `${FORGED}, ${CLIENT}`],
        ],
        seen(CLIENT),
      ],
      [EDGE, [[XFF, `${FORGED}, ${CLIENT}`]], seen(CLIENT)],
      [EDGE, [[XFF, `${FORGED},`]], seen(EDGE)],
      [EDGE, [], seen(EDGE)],
      [
        EDGE,
        [
          [CF, "nonsense"],
          [XFF, CLIENT],
        ],
        seen(CLIENT),
      ],
      [
        EDGE,
        [
          [CF, CLIENT],
          [CF, FORGED],
        ],
        seen(EDGE),
      ],
      [
        EDGE,
        [
          [CF, CLIENT],
          ["True-Client-IP", FORGED],
        ],
        seen(CLIENT),
      ],
      [
        EDGE,
        [
          [CF, CLIENT],
          ["X-Real-IP", FORGED],
        ],
        seen(CLIENT),
      ],
      [
        EDGE,
        [
          [CF, CLIENT],
          ["Forwarded", `for=${FORGED}`],
        ],
        seen(CLIENT),
      ],
      [
        EDGE,
        [
          [CF, CLIENT],
          [COUNTRY, "DE"],
        ],
        seen(CLIENT, { country: "DE" }),
      ],
      [
        EDGE,
        [
          [CF, CLIENT],
          [COUNTRY, "<b>"],
        ],
        seen(CLIENT),
      ],
      [
        EDGE,
        [
          [CF, "240.1.2.3"],
          ["CF-Connecting-IPv6", CLIENT6],
        ],
        seen(CLIENT6),
      ],
      [
        EDGE,
        [
          [CF, "255.1.2.3"],
          ["CF-Connecting-IPv6", CLIENT6],
        ],
        seen(CLIENT6),
      ],
      [
        EDGE,
        [
          [CF, "240.1.2.3"],
          ["CF-Connecting-IPv6", FORGED],
        ],
        seen("240.1.2.3"),
      ],
      [EDGE, [[CF, "240.1.2.3"]], seen("240.1.2.3")],
      [
        EDGE,
        [
          [CF, CLIENT],
          ["CF-Connecting-IPv6", CLIENT6],
        ],
        seen(CLIENT),
      ],
      [EDGE, [[CF, "2a06:98c0:3600::103"]], seen("2a06:98c0:3600::103")],
      [STRANGER, [[CF, CLIENT]], alone(STRANGER, CLIENT)],
      [
        STRANGER,
        [
          [CF, CLIENT6],
          [XFF, FORGED],
        ],
        alone(STRANGER, CLIENT6),
      ],
      [STRANGER, [[CF, "::FFFF:203.0.113.7"]], alone(STRANGER, CLIENT)],
      [STRANGER, [[CF, `${CLIENT}, ${FORGED}`]], alone(STRANGER)],
      [STRANGER, [[CF, `"><script>`]], alone(STRANGER)],
      [STRANGER, [[CF, "fe80::1%eth0"]], alone(STRANGER)],
      [STRANGER, [[CF, `[${CLIENT6}]:80`]], alone(STRANGER)],
      [STRANGER, [[CF, STRANGER]], alone(STRANGER)],
      [STRANGER, [[XFF, `${FORGED}, ${HOP}`]], alone(STRANGER)],
      [
        STRANGER,
        [
          [CF, FORGED],
          [XFF, `${CLIENT}, ${HOP}`],
          [COUNTRY, "DE"],
        ],
        alone(STRANGER, FORGED),
      ],
      [
        STRANGER,
        [
          ["True-Client-IP", FORGED],
          ["CF-Connecting-IPv6", CLIENT6],
          ["X-Real-IP", FORGED],
        ],
        alone(STRANGER),
      ],
      ["127.0.0.1", [[CF, CLIENT]], alone("127.0.0.1", CLIENT)],
      ["::1", [[CF, CLIENT]], alone("::1", CLIENT)],
      ["127.0.0.31", [[CF, CLIENT]], alone("127.0.0.31", CLIENT)],
      ["127.0.0.32", [[CF, CLIENT]], seen(CLIENT)],
      ["127.0.0.47", [[CF, CLIENT]], seen(CLIENT)],
      ["127.0.0.48", [[CF, CLIENT]], alone("127.0.0.48", CLIENT)],
    ],
  ],
  [
    "loopback", // cloudflared
    [
      ["127.0.0.1", [[CF, CLIENT]], seen(CLIENT)],
      [
        "::1",
        [
          [CF, CLIENT],
          [COUNTRY, "T1"],
        ],
        seen(CLIENT, { country: "T1" }),
      ],
      ["127.0.0.1", [[XFF, `${FORGED}, ${CLIENT}`]], seen(CLIENT)],
      ["127.0.0.1", [[CF, "x"]], seen("127.0.0.1")],
    ],
  ],
  [
    ["cloudflare", PROXY], // a reverse proxy behind the edge
    [
      [
        PROXY,
        [
          [CF, CLIENT],
          [XFF, `${CLIENT}, ${HOP}`],
        ],
        seen(CLIENT),
      ],
      [
        PROXY,
        [
          [CF, CLIENT],
          [XFF, `${FORGED}, ${CLIENT}, ${HOP}`],
          [COUNTRY, "DE"],
        ],
        seen(CLIENT, { country: "DE" }),
      ],
      [
        PROXY,
        [
          [CF, CLIENT6],
          [XFF, `${CLIENT6}, [2606:4700::1]:443`],
        ],
        seen(CLIENT6),
      ],
      [
        PROXY,
        [
          [CF, CLIENT],
          [XFF, `${CLIENT}, ${HOP}:51234`],
        ],
        seen(CLIENT),
      ],
      [
        PROXY,
        [
          [CF, CLIENT],
          [XFF, `${CLIENT}, ::ffff:${HOP}`],
        ],
        seen(CLIENT),
      ],
      [
        PROXY,
        [
          [CF, CLIENT],
          [XFF, CLIENT],
          [XFF, HOP],
        ],
        seen(CLIENT),
      ],
      [PROXY, [[XFF, `${FORGED}, ${CLIENT}, ${HOP}`]], seen(CLIENT)],
      [PROXY, [[XFF, HOP]], seen(HOP)],
      [
        PROXY,
        [
          [CF, CLIENT],
          [XFF, `${CLIENT}, ${HOP}, ${PROXY}`],
        ],
        seen(CLIENT),
      ],
      // Somebody speaks to the proxy past the edge, and writes what he likes.
      [
        PROXY,
        [
          [CF, FORGED],
          [XFF, STRANGER],
        ],
        alone(STRANGER, FORGED),
      ],
      [
        PROXY,
        [
          [CF, FORGED],
          [XFF, `${CLIENT}, ${HOP}, ${STRANGER}`],
          [COUNTRY, "DE"],
        ],
        alone(STRANGER, FORGED),
      ],
      [
        PROXY,
        [
          [CF, FORGED],
          [XFF, `${HOP}, ${PROXY}, ${STRANGER}`],
        ],
        alone(STRANGER, FORGED),
      ],
      [PROXY, [[CF, FORGED]], alone(PROXY, FORGED)],
      [
        PROXY,
        [
          [CF, FORGED],
          [XFF, ""],
        ],
        alone(PROXY, FORGED),
      ],
      [
        PROXY,
        [
          [CF, FORGED],
          [XFF, `${HOP}, unknown`],
        ],
        alone(PROXY, FORGED),
      ],
      [
        PROXY,
        [
          [CF, FORGED],
          [XFF, `${HOP},`],
        ],
        alone(PROXY, FORGED),
      ],
      [
        PROXY,
        [
          [CF, FORGED],
          [XFF, `${HOP}, ${HOP}:port`],
        ],
        alone(PROXY, FORGED),
      ],
      [
        PROXY,
        [
          [CF, FORGED],
          [XFF, `${HOP}, [${HOP}]`],
        ],
        alone(PROXY, FORGED),
      ],
      [
        EDGE,
        [
          [CF, CLIENT],
          [XFF, `${FORGED}, ${CLIENT}`],
        ],
        seen(CLIENT),
      ],
      [
        STRANGER,
        [
          [CF, FORGED],
          [XFF, `${CLIENT}, ${HOP}`],
        ],
        alone(STRANGER, FORGED),
      ],
    ],
  ],
  [
    `${PROXY}, 10.0.0.0/8`, // proxies alone, as Express has them: nobody names clients
    [
      [PROXY, [[XFF, `${FORGED}, ${CLIENT}`]], seen(CLIENT)],
      [
        PROXY,
        [
          [CF, FORGED],
          [XFF, `${FORGED}, ${CLIENT}, 10.1.2.3`],
          [COUNTRY, "DE"],
        ],
        seen(CLIENT),
      ],
      [PROXY, [[CF, FORGED]], seen(PROXY)],
      [PROXY, [[XFF, "10.1.2.3, 10.1.2.4"]], seen("10.1.2.3")],
      [PROXY, [[XFF, `${FORGED}, fe80::1%25eth0`]], seen("fe80::1")],
      [
        STRANGER,
        [
          [CF, FORGED],
          [XFF, CLIENT],
        ],
        alone(STRANGER, FORGED),
      ],
    ],
  ],
  [
    (address, hop) => address === PROXY || (hop === 1 && address === HOP),
    [
      [
        PROXY,
        [
          [CF, FORGED],
          [XFF, `${FORGED}, ${CLIENT}, ${HOP}`],
        ],
        seen(CLIENT),
      ],
      [PROXY, [[XFF, `${FORGED}, ${HOP}, ${CLIENT}`]], seen(CLIENT)],
      [STRANGER, [[XFF, CLIENT]], alone(STRANGER)],
    ],
  ],
  [
    { edge: PROXY, hops: "127.0.0.6" }, // cloudflared in a container of its own, a proxy in front of the app
    [
      [PROXY, [[CF, CLIENT]], seen(CLIENT)],
      [
        "127.0.0.6",
        [
          [CF, CLIENT],
          [XFF, `${CLIENT}, ${PROXY}`],
        ],
        seen(CLIENT),
      ],
      [
        "127.0.0.6",
        [
          [CF, FORGED],
          [XFF, `${CLIENT}, ${HOP}`],
        ],
        alone(HOP, FORGED),
      ],
      [EDGE, [[CF, FORGED]], alone(EDGE, FORGED)],
    ],
  ],
  [
    { secret: { header: "X-Edge-Secret", values: ["another-secret-of-20", SECRET] } },
    [
      [
        STRANGER,
        [
          [CF, CLIENT],
          ["x-edge-secret", SECRET],
          [COUNTRY, "DE"],
        ],
        seen(CLIENT, { country: "DE" }),
      ],
      [
        STRANGER,
        [
          [CF, CLIENT],
          ["X-EDGE-SECRET", "another-secret-of-20"],
        ],
        seen(CLIENT),
      ],
      [
        STRANGER,
        [
          [XFF, FORGED],
          ["X-Edge-Secret", SECRET],
        ],
        seen(STRANGER),
      ],
      [
        STRANGER,
        [
          [CF, FORGED],
          ["X-Edge-Secret", `${SECRET}x`],
        ],
        alone(STRANGER, FORGED),
      ],
      [
        STRANGER,
        [
          [CF, FORGED],
          ["X-Edge-Secret", SECRET.slice(0, -1)],
        ],
        alone(STRANGER, FORGED),
      ],
      [
        STRANGER,
        [
          [CF, FORGED],
          ["X-Edge-Secret", SECRET],
          ["X-Edge-Secret", SECRET],
        ],
        alone(STRANGER, FORGED),
      ],
      [
        STRANGER,
        [
          [CF, FORGED],
          ["X-Edge-Secret", ""],
        ],
        alone(STRANGER, FORGED),
      ],
      [
        EDGE,
        [
          [CF, FORGED],
          [COUNTRY, "DE"],
        ],
        alone(EDGE, FORGED),
      ],
    ],
  ],
  [
    { edge: "cloudflare", hops: PROXY, secret: { header: "X-Edge-Secret", value: SECRET } }, // both must hold
    [
      [
        EDGE,
        [
          [CF, CLIENT],
          ["X-Edge-Secret", SECRET],
        ],
        seen(CLIENT),
      ],
      [EDGE, [[CF, FORGED]], alone(EDGE, FORGED)],
      [
        STRANGER,
        [
          [CF, FORGED],
          ["X-Edge-Secret", SECRET],
        ],
        alone(STRANGER, FORGED),
      ],
      [
        PROXY,
        [
          [CF, CLIENT],
          [XFF, `${CLIENT}, ${HOP}`],
          ["X-Edge-Secret", SECRET],
        ],
        seen(CLIENT),
      ],
      [
        PROXY,
        [
          [CF, FORGED],
          [XFF, `${CLIENT}, ${HOP}`],
        ],
        alone(HOP, FORGED),
      ],
      [
        PROXY,
        [
          [CF, FORGED],
          [XFF, STRANGER],
          ["X-Edge-Secret", SECRET],
        ],
        alone(STRANGER, FORGED),
      ],
    ],
  ],
  [
    { hops: [PROXY, "cloudflare"], secret: { header: "X-Edge-Secret", value: SECRET } },
    [
      [
        PROXY,
        [
          [XFF, `${FORGED}, ${CLIENT}, ${HOP}`],
          ["X-Edge-Secret", SECRET],
        ],
        seen(CLIENT),
      ],
      [PROXY, [[XFF, `${FORGED}, ${CLIENT}, ${HOP}`]], alone(CLIENT)],
    ],
  ],
  [
    { trueClientIp: true },
    [
      [
        EDGE,
        [
          [CF, FORGED],
          ["True-Client-IP", CLIENT],
        ],
        seen(CLIENT),
      ],
      [
        EDGE,
        [
          [CF, CLIENT],
          ["True-Client-IP", "x"],
        ],
        seen(CLIENT),
      ],
      [STRANGER, [["True-Client-IP", FORGED]], alone(STRANGER)],
    ],
  ],
  [
    { clientCertificate: true }, // over plain HTTP nobody shows one
    [[EDGE, [[CF, FORGED]], alone(EDGE, FORGED)]],
  ],
  [
    () => {
      throw new Error("not today");
    },
    [[EDGE, [[XFF, FORGED]], alone(EDGE)]],
  ],
  [
    (async () => true) as never, // a promise is no answer
    [[STRANGER, [[XFF, FORGED]], alone(STRANGER)]],
  ],
];

export const CASES: readonly Case[] = TABLE.flatMap(([trust, rows]) =>
  rows.map(([peer, headers, expected]) => ({ trust, peer, headers, expected })),
);

/** Names a case: trust, peer, what it sends. */
export function nameOf({ trust, peer, headers }: Case): string {
  const said = headers.map(([name, value]) => `${name}: ${value}`).join("; ") || "nothing";
  const setting = typeof trust === "function" ? "a function" : (JSON.stringify(trust) ?? "the default");
  return `${setting}: ${peer} says ${said}`;
}
