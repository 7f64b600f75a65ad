import { describe } from "vitest";
import { statusChecks } from "../../src/validity/lint/status.js";
import { defineLintCases } from "./lint-cases.js";

describe("status that does not answer the request", () => {
  defineLintCases(statusChecks, {
    "SL-11": {
      breaks: [{ version: "1.0", status: 101, request: { upgrade: "websocket" }, fields: ["Upgrade: websocket"] }],
      keeps: [
        { version: "1.0", status: 200, request: { upgrade: "websocket" } },
        { status: 101, request: { upgrade: "websocket" }, fields: ["Upgrade: websocket", "Connection: Upgrade"] },
      ],
    },
    "SL-12": {
      breaks: [
        { status: 206, fields: ["Content-Range: bytes 0-9/100"] },
        { method: "HEAD", status: 206, request: { range: "bytes=0-9" }, fields: ["Content-Range: bytes 0-9/100"] },
        { method: "POST", status: 206, request: { range: "bytes=0-9" }, fields: ["Content-Range: bytes 0-9/100"] },
      ],
      keeps: [{ status: 206, request: { range: "bytes=0-9" }, fields: ["Content-Range: bytes 0-9/100"] }],
    },
    "SL-13": {
      breaks: [
        { status: 304 },
        { status: 304, request: { "if-match": '"a"' } },
        { method: "PUT", status: 304, request: { "if-none-match": '"a"' }, fields: ['ETag: "a"'] },
      ],
      keeps: [
        { status: 304, request: { "if-none-match": '"a"' }, fields: ['ETag: "a"'] },
        { method: "HEAD", status: 304, request: { "if-modified-since": "Sun, 06 Nov 1994 08:49:37 GMT" } },
        { method: "PUT", status: 412, request: { "if-none-match": "*" } },
      ],
    },
    "SL-14": {
      breaks: [{ status: 412 }, { status: 416 }, { status: 417 }],
      keeps: [
        { status: 412, request: { "if-match": '"a"' } },
        { method: "COPY", status: 412, request: { overwrite: "F" } },
        { method: "PUT", status: 412, request: { "x-amz-copy-source-if-match": '"a"' } },
        { status: 416, request: { range: "bytes=9-" }, fields: ["Content-Range: bytes */9"] },
        { method: "PUT", status: 416, request: { "content-range": "bytes 9-9/10" } },
        { status: 417, request: { expect: "much" } },
      ],
    },
    "SL-15": {
      breaks: [
        { status: 407, fields: ['Proxy-Authenticate: Basic realm="proxy"'] },
        { fields: ['Proxy-Authenticate: Basic realm="proxy"'] },
        { fields: ["Proxy-Authentication-Info: nextnonce=1"] },
      ],
      keeps: [{ status: 401, fields: ['WWW-Authenticate: Basic realm="api"'] }],
    },
    "SL-17": {
      breaks: [
        { request: { host: "exa mple.com" } },
        { request: { host: "example.com, example.org" } },
        { request: { host: "user@example.com" } },
        { request: { host: "example.com:port" } },
        { request: { host: "example%zz.com" } },
        { request: { host: undefined } },
        { version: "1.0", request: { host: "a/b" } },
      ],
      keeps: [
        { request: { host: "" } },
        { request: { host: "my_host.example:8080" } },
        { request: { host: "[2001:db8::1]:443" } },
        { request: { host: "192.0.2.1" } },
        { version: "1.0", request: { host: undefined } },
        { version: "2.0", request: { host: undefined } },
        { status: 400, request: { host: "exa mple.com" } },
      ],
    },
    "SL-18": {
      breaks: [
        { status: 405, fields: ["Allow: GET, HEAD"] },
        { method: "PATCH", status: 501, fields: ["Allow: GET", "Allow: PATCH"] },
      ],
      keeps: [
        { method: "POST", status: 405, fields: ["Allow: GET, HEAD"] },
        { method: "PATCH", status: 501 },
        { method: "DELETE", status: 404 },
      ],
    },
    "FR-7": {
      breaks: [
        { method: "CONNECT", fields: ["Content-Length: 0"] },
        { method: "CONNECT", fields: ["Transfer-Encoding: chunked"] },
      ],
      keeps: [
        { method: "CONNECT" },
        { method: "CONNECT", status: 403, fields: ["Content-Length: 4", "Content-Type: text/plain"] },
      ],
    },
  });
});
