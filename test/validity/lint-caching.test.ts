import { describe } from "vitest";
import { cachingChecks } from "../../src/validity/lint/caching.js";
import { defineLintCases } from "./lint-cases.js";

const ACCEPT = { "accept-encoding": "gzip" };
const CODED = ["Content-Type: text/plain", "Content-Encoding: gzip"];

describe("fields that caches follow", () => {
  defineLintCases(cachingChecks, {
    "CC-1": {
      breaks: [{ fields: ['Cache-Control: max-age="60"'] }, { fields: ['Cache-Control: public, s-maxage="60"'] }],
      keeps: [{ fields: ["Cache-Control: public, max-age=60, s-maxage=60"] }],
    },
    "CC-2": {
      breaks: [{ fields: ["Cache-Control: no-cache=Set-Cookie"] }, { fields: ["Cache-Control: private=Set-Cookie"] }],
      keeps: [{ fields: ['Cache-Control: no-cache="Set-Cookie, ETag", private'] }],
    },
    "CC-3": {
      breaks: [{ fields: ["Cache-Control: must-understand, max-age=60"] }],
      keeps: [{ fields: ["Cache-Control: must-understand, no-store"] }],
    },
    "CC-4": {
      breaks: [
        { fields: ["Cache-Control: max-age"] },
        { fields: ["Cache-Control: max-age=-1"] },
        { fields: ["Cache-Control: max-age=1.5"] },
        { fields: ["Cache-Control: max-age = 60"] },
        { fields: ["Cache-Control: public max-age=60"] },
        { fields: ["Cache-Control: public; max-age=60"] },
        { fields: ["Cache-Control: max-age=60, Max-Age=30"] },
        { fields: ["Cache-Control: no-store", "Cache-Control: no-store"] },
        { fields: ["Cache-Control: stale-while-revalidate"] },
      ],
      keeps: [
        { fields: ["Cache-Control: private, no-cache, no-store, max-age=0, must-revalidate"] },
        { fields: ["Cache-Control: public, max-age=31536000, immutable"] },
        { fields: ['Cache-Control: max-age=60, community="UCI", stale-if-error=60'] },
        { fields: ["Cache-Control:"] },
      ],
    },
    "CC-6": {
      breaks: [{ fields: ["Age: -1"] }, { fields: ["Age: now"] }, { fields: ["Age: 60", "Cache-Control: no-store"] }],
      keeps: [{ fields: ["Age: 60"] }, { fields: ["Age: 60", "Cache-Control: max-age=90", "Via: 1.1 cache"] }],
    },
    "MD-17": {
      breaks: [
        { request: ACCEPT, fields: CODED },
        { request: ACCEPT, fields: [...CODED, "Vary: Origin", "Cache-Control: max-age=60"] },
      ],
      keeps: [
        { request: ACCEPT, fields: [...CODED, "Vary: Origin, accept-encoding"] },
        { request: ACCEPT, fields: [...CODED, "Vary: *"] },
        { request: ACCEPT, fields: [...CODED, "Cache-Control: no-store"] },
        { request: ACCEPT, fields: [...CODED, "Cache-Control: private"] },
        { request: ACCEPT, method: "POST", fields: CODED },
        { fields: CODED },
      ],
    },
  });
});
