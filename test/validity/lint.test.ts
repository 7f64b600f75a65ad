import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RULES } from "../../src/validity/catalogue.js";
import type { LintSubject } from "../../src/validity/head.js";
import { LINT_RULES, lint } from "../../src/validity/lint.js";
import { NOW } from "./lint-cases.js";

const NAMES = [
  "Accept-Encoding, Accept-Ranges, Age, Allow, Authorization, Cache-Control, Connection, Content-Disposition",
  "Content-Encoding, Content-Language, Content-Length, Content-Location, Content-Range, Content-Type, Date, ETag, Expires",
  "Last-Modified, Link, Location, Proxy-Authenticate, Retry-After, Server, Set-Cookie, Strict-Transport-Security, Sunset",
  "Trailer, Transfer-Encoding, Upgrade, Vary, Via, WWW-Authenticate, X-Any, __proto__, constructor",
].flatMap((line) => line.split(", "));

/** What the grammars of the fields are made of: shreds of it find more faults than random text. */
const SHREDS = [
  '"',
  "\\",
  ",",
  ";",
  "=",
  " ",
  "\t",
  "/",
  "*",
  "-",
  ":",
  "<",
  ">",
  "(",
  ")",
  "%",
  "@",
  "#",
  "?",
  "é",
  "\0",
  "\u{1f600}",
].concat(
  [
    "bytes",
    "0",
    "99999999999999999999",
    "gzip",
    "identity",
    "max-age",
    "no-store",
    "Basic",
    "realm",
    "multipart/mixed",
  ],
  ["boundary", "W/", "http://", "Sun, 06 Nov 1994 08:49:37 GMT", "constructor", "__proto__", "chunked", "a", "Expires"],
);

const value = fc.oneof(
  fc.array(fc.constantFrom(...SHREDS), { maxLength: 12 }).map((shreds) => shreds.join("")),
  fc.string(),
);
const name = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...NAMES) }, { weight: 1, arbitrary: fc.string() });
const requestName = fc.constantFrom(
  ...[
    "host",
    "range",
    "if-range",
    "if-none-match",
    "if-modified-since",
    "accept-encoding",
    "te",
    "content-length",
    "cf-visitor",
  ],
  ...["content-encoding", "x-forwarded-proto", "expect", "if-match"],
);

const subjects: fc.Arbitrary<LintSubject> = fc.record({
  request: fc.record({
    method: fc.oneof(fc.constantFrom("GET", "HEAD", "PUT", "POST", "CONNECT"), fc.string()),
    version: fc.constantFrom("1.0", "1.1", "2.0"),
    headers: fc.dictionary(requestName, fc.oneof(value, fc.array(value, { maxLength: 2 }))) as fc.Arbitrary<
      Record<string, string>
    >,
    encrypted: fc.boolean(),
  }),
  head: fc.record({
    status: fc.oneof(
      fc.constantFrom(101, 200, 201, 204, 206, 300, 302, 304, 401, 405, 407, 409, 412, 415, 416, 426, 500),
      fc.integer(),
      fc.double(),
    ),
    fields: fc.array(fc.tuple(name, value), { maxLength: 12 }),
  }),
  contentOctets: fc.oneof(fc.constant(undefined), fc.nat(), fc.double()),
  now: fc.oneof(fc.constant(NOW), fc.double()),
});

describe("lint", () => {
  it("returns findings, each rule at most once and in printable US-ASCII, whatever the header section holds", () => {
    fc.assert(
      fc.property(subjects, (subject) => {
        const findings = lint(subject);
        expect(new Set(findings.map(({ rule }) => rule)).size).toBe(findings.length);
        for (const { rule, found, advice } of findings) {
          expect(RULES).toHaveProperty([rule]);
          expect(`${found}${advice}`).toMatch(/^[\x20-\x7e]+$/);
          expect(found.length).toBeLessThan(1200);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("leaves the subject as it is", () => {
    fc.assert(
      fc.property(subjects, (subject) => {
        const before = structuredClone(subject);
        lint(subject);
        expect(subject).toEqual(before);
      }),
      { numRuns: 200 },
    );
  });

  it("looks at every linted rule that can be decided, and at HF-10 and MD-9 for what the guard leaves alone", () => {
    const decidable = Object.entries(RULES).filter(([, { tier, action }]) => tier === "linted" && action === "report");
    expect([...LINT_RULES].sort()).toEqual([...decidable.map(([id]) => id), "HF-10", "MD-9"].sort());
  });

  // Values can have as many octets as the whole header section, and come from whoever can make the application echo them.
  it.each(['"\\', "; ", ", ", " ", "//", "<", "a=", '\\"', "%", "9"])(
    "takes little time for 100 KB of %j in every field",
    (shred) => {
      const long = shred.repeat(100_000 / shred.length);
      const started = process.cpuUsage();
      for (const [before, after] of [
        ["", ""],
        ['"', ""],
        ["a", "b"],
        ["a/b;", "\0"],
      ] as const) {
        lint({
          request: {
            method: "PUT",
            version: "1.1",
            encrypted: true,
            headers: {
              host: long,
              range: long,
              te: long,
              "accept-encoding": long,
              "if-none-match": long,
              "cf-visitor": long,
            },
          },
          head: { status: 206, fields: NAMES.map((field) => [field, `${before}${long}${after}`] as const) },
          contentOctets: undefined,
          now: NOW,
        });
      }
      // Four times 33 fields of 100 KB each: quadratic time would be minutes. Others may have the processor meanwhile.
      expect(process.cpuUsage(started).user / 1_000).toBeLessThan(4_000);
    },
  );
});
