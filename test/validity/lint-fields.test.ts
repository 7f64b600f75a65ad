import { describe } from "vitest";
import { fieldChecks } from "../../src/validity/lint/fields.js";
import { defineLintCases } from "./lint-cases.js";

describe("field lines that break the common rules", () => {
  defineLintCases(fieldChecks, {
    "HF-8": {
      breaks: [
        { fields: ["X-Name: Zo\xeb"] },
        { fields: ['Content-Disposition: attachment; filename="na\xefve.txt"'] },
        { fields: ["Set-Cookie: a=b; Path=/\xe9"] },
      ],
      keeps: [
        { fields: ["X-Name: Zoe"] },
        { fields: ["Content-Disposition: attachment; filename*=UTF-8''na%C3%AFve.txt"] },
      ],
    },
    "HF-9": {
      breaks: [{ fields: ["X-Name:  a"] }, { fields: ["X-Name: a "] }, { fields: ["X-Name: a\t"] }],
      keeps: [{ fields: ["X-Name: a b"] }, { fields: ["X-Name:"] }],
    },
    "HF-10": {
      breaks: [
        { fields: ["Access-Control-Allow-Origin: *", "Access-Control-Allow-Origin: *"] },
        { fields: ["Content-Disposition: inline", "content-disposition: attachment"] },
      ],
      keeps: [
        { fields: ["Access-Control-Allow-Origin: *"] },
        { fields: ["Vary: Origin", "Vary: Accept-Encoding", "Set-Cookie: a=1", "Set-Cookie: b=1"] },
      ],
    },
    "HF-11": {
      breaks: [
        { fields: ["Vary: Origin,, Accept"] },
        { fields: ["Cache-Control: no-cache,"] },
        { status: 405, method: "POST", fields: ["Allow: , GET"] },
        { fields: ["Link: </a,b>; rel=preload, , </c>; rel=next"] },
      ],
      keeps: [
        { fields: ["Allow:"] },
        { fields: ["Vary: Origin, Accept"] },
        { fields: ["Link: </a,,b>; rel=preload"] },
        { fields: ['Server-Timing: db;desc="a,,b", app;dur=1'] },
        { fields: ["Via: 1.1 proxy (one,, two)"] },
      ],
    },
    "HF-12": {
      breaks: [
        { status: 401, fields: ['WWW-Authenticate: Basic realm = "api"'] },
        { fields: ['Link: </a>; rel= "next"'] },
        { fields: ['Content-Disposition: attachment; filename="a\\b.txt"'] },
        { fields: ['Cache-Control: private="\\a"'] },
      ],
      keeps: [
        { status: 401, fields: ['WWW-Authenticate: Basic realm="a = b", Negotiate YWJj=='] },
        { fields: ['Link: </a?b =c>; rel="next"'] },
        { fields: ['Content-Disposition: attachment; filename="a\\"b\\\\c.txt"'] },
      ],
    },
    "HF-14": {
      breaks: [
        { fields: ["Authorization: Bearer secret"] },
        { fields: ["Host: example.com"] },
        { fields: ["Origin: https://example.com"] },
        { fields: ["If-None-Match: *"] },
      ],
      keeps: [{ fields: ["Accept: text/html", "Accept-Encoding: gzip"] }, { fields: ["Vary: Origin, Authorization"] }],
    },
  });
});
