import { describe, expect, it } from "vitest";
import { uriChecks } from "../../src/validity/lint/uris.js";
import { lint } from "../../src/validity/lint.js";
import { defineLintCases, subjectOf } from "./lint-cases.js";

describe("URIs in fields", () => {
  defineLintCases(uriChecks, {
    "HF-15": {
      breaks: [
        { status: 302, fields: ["Location: https:///path"] },
        { status: 302, fields: ["Location: https://:443/path"] },
        { status: 302, fields: ["Location: https:/path"] },
        { status: 302, fields: ["Location: HTTP:path"] },
        { status: 302, fields: ["Location: https://user:secret@example.com/"] },
        { status: 302, fields: ["Location: //user@example.com/"] },
        { fields: ["Content-Location: http:///a"] },
        { fields: ["Link: </a>; rel=prev, <https://user@example.com/>; rel=next"] },
      ],
      keeps: [
        { status: 302, fields: ["Location: https://example.com:8443/a@b?c=//d@e"] },
        { status: 302, fields: ["Location: /a//b@c"] },
        { status: 302, fields: ["Location: mailto:user@example.com"] },
        { fields: ["Link: </a,b@c>; rel=preload"] },
      ],
    },
    "MD-13": {
      breaks: [
        { status: 302, fields: ["Location: /a b"] },
        { status: 302, fields: ["Location: /na\xefve"], also: ["HF-8"] },
        { status: 302, fields: ["Location: /100%"] },
        { status: 302, fields: ['Location: /"a"'] },
        { status: 302, fields: ["Location: /{id}"] },
        { status: 302, fields: ["Location: \\evil"] },
        { status: 302, fields: ["Location: /a#b#c"] },
      ],
      keeps: [
        { status: 302, fields: ["Location: /a%20b?c=d&e[]=f#g"] },
        { status: 302, fields: ["Location: ../a"] },
        { status: 302, fields: ["Location:"] },
        { status: 302, fields: ["Location: https://[2001:db8::1]/"] },
      ],
    },
  });

  it("show neither user information nor query in a finding", () => {
    const fields = ["Location: https://user:secret@example.com/?token=secret"];
    expect(lint(subjectOf({ status: 302, fields }))[0]?.found).toBe("Location: https://...@example.com/?...");
  });
});
