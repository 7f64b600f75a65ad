import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readImfFixdate } from "../../src/http/date.js";
import { dateChecks } from "../../src/validity/lint/dates.js";
import { defineLintCases } from "./lint-cases.js";

const GOOD = "Sun, 06 Nov 1994 08:49:37 GMT";

describe("dates", () => {
  defineLintCases(dateChecks, {
    "HF-13": {
      breaks: [
        { fields: ["Last-Modified: Sunday, 06-Nov-94 08:49:37 GMT"] },
        { fields: ["Last-Modified: Sun Nov  6 08:49:37 1994"] },
        { fields: ["Last-Modified: 1994-11-06T08:49:37Z"] },
        { fields: ["Last-Modified: Sun, 06 Nov 1994 08:49:37 UTC"] },
        { fields: ["Last-Modified: Mon, 06 Nov 1994 08:49:37 GMT"] },
        { fields: ["Date: Sun, 31 Feb 2027 12:00:00 GMT"] },
        { fields: ["Expires: Sunday, 06-Nov-94 08:49:37 GMT"] },
        { status: 503, fields: ["Retry-After: Sun Nov  6 08:49:37 1994"] },
        { fields: ["Sunset: next year"] },
      ],
      keeps: [
        { fields: [`Last-Modified: ${GOOD}`, `Expires: ${GOOD}`, `Sunset: ${GOOD}`] },
        { fields: ["Last-Modified: Sat, 31 Dec 2016 23:59:60 GMT"] },
      ],
    },
    "MD-2": {
      breaks: [{ fields: [`Date: ${GOOD}`] }, { fields: ["Date: Sun, 22 Nov 2026 12:10:00 GMT"] }],
      keeps: [
        { fields: ["Date: Sun, 22 Nov 2026 11:59:58 GMT"] },
        { fields: [`Date: ${GOOD}`, "Age: 60"] },
        { fields: [`Date: ${GOOD}`, "Via: 1.1 proxy"] },
      ],
    },
    "MD-3": {
      breaks: [
        { fields: ["Last-Modified: Sun, 22 Nov 2026 12:00:03 GMT"] },
        { fields: ["Last-Modified: Mon, 22 Nov 2027 12:00:00 GMT"] },
      ],
      keeps: [
        { fields: ["Last-Modified: Sun, 22 Nov 2026 12:00:00 GMT"] },
        { fields: ["Last-Modified: Sun, 22 Nov 2026 12:00:01 GMT"] },
        { fields: [`Last-Modified: ${GOOD}`] },
      ],
    },
    "MD-14": {
      breaks: [
        { status: 503, fields: ["Retry-After: soon"] },
        { status: 503, fields: ["Retry-After: 1.5"] },
        { status: 503, fields: ["Retry-After: -1"] },
        { status: 503, fields: ["Retry-After: 2026-11-22T12:00:00Z"] },
      ],
      keeps: [
        { status: 503, fields: ["Retry-After: 120"] },
        { status: 503, fields: [`Retry-After: ${GOOD}`] },
      ],
    },
    "CC-5": {
      breaks: [
        { fields: ["Expires: 0"] },
        { fields: ["Expires: -1"] },
        { fields: ["Expires: Thu, 1 Jan 1970 00:00:00 GMT"] },
      ],
      keeps: [{ fields: [`Expires: ${GOOD}`] }],
    },
  });

  it("are read as Date writes them, over all years of four digits", () => {
    const seconds = fc.integer({ min: Date.parse("0000-01-01") / 1000, max: Date.parse("9999-12-31") / 1000 });
    fc.assert(
      fc.property(seconds, (second) => {
        expect(readImfFixdate(new Date(second * 1000).toUTCString())).toBe(second * 1000);
      }),
    );
  });
});
