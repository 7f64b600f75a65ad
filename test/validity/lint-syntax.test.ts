import { describe } from "vitest";
import { syntaxChecks } from "../../src/validity/lint/syntax.js";
import { defineLintCases } from "./lint-cases.js";

describe("fields with a form of their own", () => {
  defineLintCases(syntaxChecks, {
    "MD-15": {
      breaks: [{ fields: ["Allow: GET HEAD"] }, { fields: ["Allow: GET;HEAD"] }, { fields: ['Allow: ["GET"]'] }],
      keeps: [{ fields: ["Allow: GET,HEAD"] }, { fields: ["Allow:"] }],
    },
    "MD-16": {
      breaks: [{ fields: ["Vary: Accept Origin"] }, { fields: ["Vary: Accept", "Vary: Origin;Cookie"] }],
      keeps: [{ fields: ["Vary: *"] }, { fields: ["Vary: Accept,Origin"] }],
    },
    "MD-19": {
      breaks: [
        { fields: ["Content-Language: en_US"] },
        { fields: ["Content-Location: /a b"] },
        { fields: ["Content-Location: /a#b"] },
        { fields: ["Accept-Ranges: bytes=0"] },
        { fields: ["Accept-Ranges:"] },
        { status: 206, request: { range: "bytes=0-9" }, fields: ["Content-Range: 0-9/100"] },
        { status: 206, request: { range: "bytes=0-9" }, fields: ["Content-Range: bytes 0-9"] },
        { status: 206, request: { range: "bytes=0-9" }, fields: ["Content-Range: bytes=0-9/100"] },
        { status: 206, request: { range: "bytes=0-9" }, fields: ["Content-Range: bytes 0-/100"] },
        { request: { te: "trailers" }, fields: ["Transfer-Encoding: chunked", "Trailer: X Sum"] },
        { status: 426, fields: ["Upgrade: web socket"] },
        { fields: ["Via: proxy"] },
        { fields: ["Via: 1.1 proxy, 1.1"] },
      ],
      keeps: [
        { fields: ["Content-Language: de-AT, en, zh-Hant"] },
        { fields: ["Content-Location: /a?b=c"] },
        { fields: ["Accept-Ranges: bytes"] },
        { fields: ["Accept-Ranges: none"] },
        { fields: ["Content-Range: items 0-9/100"] },
        { status: 416, request: { range: "bytes=9-" }, fields: ["Content-Range: bytes */9"] },
        { status: 426, fields: ["Upgrade: HTTP/2.0, websocket"] },
        { fields: ["Via: 1.1 proxy, HTTP/2 [2001:db8::1]:443 (one, two)"] },
      ],
    },
    "MD-20": {
      breaks: [
        { fields: [`Server: Apache/2.4.6 (CentOS) OpenSSL/1.0.2k-fips PHP/7.2.34 mod_perl/2.0.11 Perl/v5.16.3`] },
      ],
      keeps: [{ fields: ["Server: nginx/1.28.0"] }, {}],
    },
  });
});
