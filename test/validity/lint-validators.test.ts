import { describe } from "vitest";
import { validatorChecks } from "../../src/validity/lint/validators.js";
import { defineLintCases } from "./lint-cases.js";

/** Made of 1000 octets of content, as the `etag` package does. */
const SIZED = '"3e8-2jmj7l5rSw0yVb/vlWAYkK/YBwk"';
const CODED = ["Content-Type: text/plain", "Content-Encoding: gzip", "Vary: Accept-Encoding"];

describe("validators", () => {
  defineLintCases(validatorChecks, {
    "MD-4": {
      breaks: [
        { fields: ["ETag: abc"] },
        { fields: ['ETag: w/"abc"'] },
        { fields: ['ETag: "a b"'] },
        { fields: ['ETag: "a"b"'] },
        { fields: ['ETag: W/ "abc"'] },
        { fields: ["ETag: 'abc'"] },
      ],
      keeps: [{ fields: ['ETag: "abc"'] }, { fields: ['ETag: W/"abc"'] }, { fields: ['ETag: ""'] }],
    },
    "MD-5": {
      breaks: [
        { fields: [`ETag: ${SIZED}`, ...CODED], octets: 400 },
        { fields: [`ETag: ${SIZED}`, ...CODED, "Content-Length: 400"] },
      ],
      keeps: [
        { fields: [`ETag: W/${SIZED}`, ...CODED], octets: 400 },
        { fields: [`ETag: ${SIZED}`, ...CODED], octets: 1000 },
        { fields: [`ETag: ${SIZED}`, ...CODED] },
        { fields: ['ETag: "3e8-18c0a9c8f00"', ...CODED], octets: 400 },
      ],
    },
    "RQ-8": {
      breaks: [{ status: 304, request: { "if-none-match": 'W/"a", "b"' } }],
      keeps: [
        { status: 304, request: { "if-none-match": '"a"' }, fields: ['ETag: "a"'] },
        { status: 304, request: { "if-none-match": "*" } },
        { status: 304, request: { "if-modified-since": "Sun, 06 Nov 1994 08:49:37 GMT" } },
      ],
    },
    "RQ-9": {
      breaks: [
        { status: 304, request: { "if-none-match": "*" }, fields: ["Content-Type: text/html"] },
        { status: 304, request: { "if-none-match": "*" }, fields: ["Content-Encoding: gzip", "Vary: Accept-Encoding"] },
      ],
      keeps: [
        {
          status: 304,
          request: { "if-none-match": '"a"' },
          fields: [
            'ETag: "a"',
            "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT",
            "Cache-Control: max-age=60",
            "Vary: Accept",
          ],
        },
      ],
    },
    "RQ-17": {
      breaks: [
        { method: "PUT", request: { "content-length": "7" }, fields: [`ETag: W/${SIZED}`] },
        { method: "PUT", status: 204, request: { "content-length": "7" }, fields: [`ETag: ${SIZED}`] },
      ],
      keeps: [
        { method: "PUT", request: { "content-length": "1000" }, fields: [`ETag: ${SIZED}`] },
        { method: "PUT", request: { "content-length": "7" }, fields: ['ETag: "7"'] },
        { method: "PUT", request: { "content-length": "7", "content-encoding": "gzip" }, fields: [`ETag: ${SIZED}`] },
        {
          method: "PUT",
          status: 412,
          request: { "content-length": "7", "if-match": '"a"' },
          fields: [`ETag: ${SIZED}`],
        },
        { method: "POST", request: { "content-length": "7" }, fields: [`ETag: ${SIZED}`] },
      ],
    },
  });
});
