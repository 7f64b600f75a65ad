import { describe } from "vitest";
import { transportSecurityChecks } from "../../src/validity/lint/transport-security.js";
import { defineLintCases } from "./lint-cases.js";

const GOOD = "Strict-Transport-Security: max-age=31536000; includeSubDomains";

describe("Strict-Transport-Security", () => {
  defineLintCases(transportSecurityChecks, {
    "XS-3": {
      breaks: [
        { encrypted: true, fields: [GOOD, GOOD] },
        { encrypted: true, fields: ["Strict-Transport-Security: includeSubDomains"] },
        { encrypted: true, fields: ["Strict-Transport-Security: max-age=1y"] },
        { encrypted: true, fields: ["Strict-Transport-Security: max-age=60; max-age=30"] },
        { encrypted: true, fields: ["Strict-Transport-Security: max-age=60, includeSubDomains"] },
        { encrypted: true, fields: ["Strict-Transport-Security: max-age=60; includeSubDomains=true"] },
        { encrypted: true, fields: ["Strict-Transport-Security:"] },
        { encrypted: true, request: { "cf-visitor": '{"scheme":"http"}' }, fields: [GOOD] },
        { request: { "x-forwarded-proto": "http" }, fields: [GOOD] },
      ],
      keeps: [
        { encrypted: true, fields: [GOOD] },
        { encrypted: true, fields: ['Strict-Transport-Security: max-age="0"; preload;'] },
        { request: { "cf-visitor": '{"scheme":"https"}', "x-forwarded-proto": "https" }, fields: [GOOD] },
        { fields: [GOOD] },
      ],
    },
  });
});
