import { describe } from "vitest";
import { requiredChecks } from "../../src/validity/lint/required.js";
import { defineLintCases } from "./lint-cases.js";

describe("fields and content that a status requires", () => {
  defineLintCases(requiredChecks, {
    "RQ-2": {
      breaks: [{ method: "POST", status: 405 }],
      keeps: [
        { method: "POST", status: 405, fields: ["Allow: GET"] },
        { method: "POST", status: 405, fields: ["Allow:"] },
      ],
    },
    "RQ-4": {
      breaks: [{ status: 426 }, { status: 426, fields: ["Upgrade:"] }],
      keeps: [{ status: 426, fields: ["Upgrade: websocket", "Connection: Upgrade"] }],
    },
    "RQ-11": {
      breaks: [{ status: 301 }, { status: 302 }, { status: 303 }, { status: 307 }, { status: 308 }],
      keeps: [{ status: 302, fields: ["Location: /a"] }, { status: 300 }],
    },
    "RQ-12": {
      breaks: [{ method: "POST", status: 201 }],
      keeps: [
        { method: "POST", status: 201, fields: ["Location: /items/1"] },
        { method: "PUT", status: 201 },
        { method: "POST", status: 200 },
      ],
    },
    "RQ-14": {
      breaks: [
        { method: "POST", status: 415, fields: ["Accept-Encoding: gzip"] },
        { method: "POST", status: 415, request: { "content-encoding": "identity" }, fields: ["Accept-Encoding: gzip"] },
      ],
      keeps: [
        { method: "POST", status: 415, fields: ["Accept: application/json"] },
        { method: "POST", status: 415, request: { "content-encoding": "br" }, fields: ["Accept-Encoding: gzip"] },
      ],
    },
    "RQ-15": {
      breaks: [
        { status: 404, octets: 0 },
        { status: 503, fields: ["Content-Length: 0"] },
      ],
      keeps: [
        { status: 404, octets: 9, fields: ["Content-Type: text/plain"] },
        { status: 404 },
        { status: 404, method: "HEAD", octets: 0 },
        { status: 204, octets: 0 },
      ],
    },
    "RQ-16": {
      breaks: [
        { status: 300, octets: 0 },
        { status: 406, octets: 0 },
        { status: 409, octets: 0 },
      ],
      keeps: [
        { status: 409, octets: 9, fields: ["Content-Type: text/plain"] },
        { status: 406, method: "HEAD", octets: 0 },
      ],
    },
  });
});
