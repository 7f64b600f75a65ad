import { describe } from "vitest";
import { contentChecks } from "../../src/validity/lint/content.js";
import { defineLintCases } from "./lint-cases.js";

const TYPE = "Content-Type: text/plain; charset=utf-8";
const VARY = "Vary: Accept-Encoding";
const GZIP = "Content-Encoding: gzip";

describe("description of the content", () => {
  defineLintCases(contentChecks, {
    "MD-6": {
      breaks: [{ octets: 5 }, { fields: ["Content-Length: 5"] }, { status: 404, octets: 5 }],
      keeps: [
        { octets: 5, fields: [TYPE] },
        { octets: 0 },
        {},
        { method: "HEAD", fields: ["Content-Length: 5"] },
        { status: 304, request: { "if-none-match": "*" }, fields: ["Content-Length: 5"] },
      ],
    },
    "MD-7": {
      breaks: [
        { fields: ["Content-Type: html"] },
        { fields: ["Content-Type:"] },
        { fields: ["Content-Type: text/"] },
        { fields: ["Content-Type: text/html charset=utf-8"] },
        { fields: ["Content-Type: text/html; charset = utf-8"] },
        { fields: ["Content-Type: text/html; charset"] },
        { fields: ["Content-Type: text/html, text/plain"] },
        { fields: ['Content-Type: text/html; charset="utf-8'] },
      ],
      keeps: [
        { fields: ["Content-Type: text/html"] },
        { fields: ["Content-Type: text/html;"] },
        { fields: ['Content-Type: Text/HTML;Charset="utf-8"'] },
        { fields: ["Content-Type: application/vnd.api+json; profile=a ; q=1"] },
      ],
    },
    "MD-8": {
      breaks: [
        { fields: ["Content-Type: multipart/mixed"] },
        { fields: ['Content-Type: multipart/form-data; boundary=""'] },
        { fields: ['Content-Type: multipart/form-data; boundary="a "'] },
        { fields: [`Content-Type: multipart/mixed; boundary=${"a".repeat(71)}`] },
      ],
      keeps: [
        { fields: ["Content-Type: multipart/mixed; boundary=part"] },
        { fields: ['Content-Type: multipart/mixed; boundary="a part:1"'] },
        { fields: [TYPE] },
      ],
    },
    "MD-9": {
      breaks: [
        { fields: [TYPE, "Content-Encoding: UTF-8"] },
        { fields: [TYPE, "Content-Encoding: none"] },
        { fields: [TYPE, "Content-Encoding: gzip;q=1", VARY] },
        { fields: [TYPE, GZIP, VARY], octets: 0 },
      ],
      keeps: [
        { fields: [TYPE, GZIP, VARY], octets: 20 },
        { fields: [TYPE, "Content-Encoding: gzip, br", VARY] },
        { method: "HEAD", fields: [TYPE, GZIP, VARY], octets: 0 },
        { fields: [TYPE, "Content-Encoding: dcz", VARY], octets: 0 },
      ],
    },
    "MD-10": {
      breaks: [
        { fields: [TYPE, GZIP, VARY], octets: 10 },
        { fields: [TYPE, "Content-Encoding: zstd", VARY], octets: 4 },
      ],
      keeps: [
        { fields: [TYPE, GZIP, VARY], octets: 20 },
        { fields: [TYPE, "Content-Encoding: br", VARY], octets: 1 },
        {
          status: 206,
          request: { range: "bytes=0-9" },
          fields: [TYPE, GZIP, VARY, "Content-Range: bytes 0-9/99"],
          octets: 10,
        },
      ],
    },
    "MD-11": {
      breaks: [
        { fields: [TYPE, "Content-Encoding: identity"] },
        { fields: [TYPE, "Content-Encoding: Identity", VARY] },
      ],
      keeps: [{ fields: [TYPE] }],
    },
    "MD-12": {
      breaks: [
        { request: { "accept-encoding": "br" }, fields: [TYPE, GZIP, VARY] },
        { request: { "accept-encoding": "gzip;q=0, *" }, fields: [TYPE, GZIP, VARY] },
        { request: { "accept-encoding": "" }, fields: [TYPE, GZIP, VARY] },
        { request: { "accept-encoding": "gzip" }, fields: [TYPE, "Content-Encoding: gzip, br", VARY] },
        { request: { "accept-encoding": "*;q=0.000" }, fields: [TYPE, GZIP, VARY] },
      ],
      keeps: [
        { request: { "accept-encoding": "GZIP ;q=0.5" }, fields: [TYPE, GZIP, VARY] },
        { request: { "accept-encoding": "x-gzip" }, fields: [TYPE, GZIP, VARY] },
        { request: { "accept-encoding": "*" }, fields: [TYPE, GZIP, VARY] },
        { fields: [TYPE, GZIP, VARY] },
        { request: { "accept-encoding": "br" }, fields: [TYPE, VARY] },
      ],
    },
  });
});
