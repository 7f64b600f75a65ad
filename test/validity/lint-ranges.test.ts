import { describe } from "vitest";
import { rangeChecks } from "../../src/validity/lint/ranges.js";
import { defineLintCases } from "./lint-cases.js";

const RANGE = { range: "bytes=0-9" };
const SEVERAL = { range: "bytes=0-9, 20-29" };
const TYPE = "Content-Type: text/plain";
const PARTS = "Content-Type: multipart/byteranges; boundary=part";

describe("partial content", () => {
  defineLintCases(rangeChecks, {
    "RQ-5": {
      breaks: [
        { status: 206, request: RANGE },
        { status: 206, request: RANGE, fields: [TYPE, "Content-Range: bytes */100"] },
        { status: 206, request: RANGE, fields: [TYPE, "Content-Range: bytes 0-9/100"], octets: 11 },
        { status: 206, request: RANGE, fields: [TYPE, "Content-Range: bytes 0-9/100", "Content-Length: 9"] },
      ],
      keeps: [
        { status: 206, request: RANGE, fields: [TYPE, "Content-Range: bytes 0-9/100"], octets: 10 },
        { status: 206, request: RANGE, fields: [TYPE, "Content-Range: bytes 0-9/*", "Content-Length: 10"] },
        { status: 206, request: { range: "rows=0-9" }, fields: [TYPE, "Content-Range: rows 0-9/100"], octets: 999 },
        { status: 206, request: SEVERAL, fields: [TYPE, "Content-Range: bytes 0-29/100"], octets: 30 },
      ],
    },
    "RQ-6": {
      breaks: [
        { status: 206, request: SEVERAL, fields: [PARTS, "Content-Range: bytes 0-9/100"] },
        { status: 206, request: RANGE, fields: [PARTS] },
      ],
      keeps: [{ status: 206, request: SEVERAL, fields: [PARTS] }],
    },
    "RQ-7": {
      breaks: [{ status: 206, request: { ...RANGE, "if-range": '"a"' }, fields: ["Content-Range: bytes 0-9/100"] }],
      keeps: [
        {
          status: 206,
          request: { ...RANGE, "if-range": '"a"' },
          fields: ["Content-Range: bytes 0-9/100", 'ETag: "a"'],
        },
        {
          status: 206,
          request: { ...RANGE, "if-range": "Sun, 06 Nov 1994 08:49:37 GMT" },
          fields: ["Content-Range: bytes 0-9/100"],
        },
      ],
    },
    "RQ-10": {
      breaks: [
        { status: 416, request: { range: "bytes=900-" } },
        { status: 416, request: { range: "bytes=900-" }, fields: ["Content-Range: bytes 0-9/100"] },
      ],
      keeps: [
        { status: 416, request: { range: "bytes=900-" }, fields: ["Content-Range: bytes */100"] },
        { status: 416, request: { range: "rows=900-" } },
      ],
    },
    "RQ-18": {
      breaks: [
        { status: 206, request: RANGE, fields: ["Content-Range: bytes 9-0/100"] },
        { status: 206, request: RANGE, fields: ["Content-Range: bytes 0-100/100"] },
        { status: 206, request: RANGE, fields: ["Content-Range: bytes 0-9007199254740993/9007199254740993"] },
      ],
      keeps: [
        { status: 206, request: RANGE, fields: ["Content-Range: bytes 0-99/100"] },
        { status: 206, request: RANGE, fields: ["Content-Range: bytes 99-99/*"] },
        { status: 206, request: RANGE, fields: ["Content-Range: bytes 0-9007199254740992/9007199254740993"] },
      ],
    },
  });
});
