import { describe, expect, it } from "vitest";
import { cookieChecks } from "../../src/validity/lint/cookies.js";
import { lint } from "../../src/validity/lint.js";
import { defineLintCases, subjectOf } from "./lint-cases.js";

describe("cookies", () => {
  defineLintCases(cookieChecks, {
    "XS-1": {
      breaks: [
        { fields: ["Set-Cookie: sid"] },
        { fields: ["Set-Cookie: =value"] },
        { fields: ["Set-Cookie: a b=c"] },
        { fields: ["Set-Cookie: a=b c"] },
        { fields: ['Set-Cookie: a={"b":1,"c":2}'] },
        { fields: ["Set-Cookie: a=b; Expires=Sun, 06-Nov-1994 08:49:37 GMT"] },
        { fields: ["Set-Cookie: a=b; Expires=0"] },
        { fields: ["Set-Cookie: a=b; Max-Age=-1"] },
        { fields: ["Set-Cookie: a=b; Max-Age=1.5"] },
      ],
      keeps: [
        { fields: ["Set-Cookie: a=b"] },
        { fields: ['Set-Cookie: a="b"', "Set-Cookie: c="] },
        {
          fields: [
            "Set-Cookie: sid=s%3Aabc.def; Path=/; Expires=Sun, 06 Nov 1994 08:49:37 GMT; HttpOnly; Secure; SameSite=Lax",
          ],
        },
        { fields: ["Set-Cookie: __Host-a=b==; Max-Age=0; Path=/; Secure; Partitioned; Priority=High"] },
        { fields: ["Set-Cookie: a=b;path=/;"] },
      ],
    },
    "XS-2": {
      breaks: [
        { fields: ["Set-Cookie: a=1", "Set-Cookie: b=1", "Set-Cookie: a=2"] },
        { fields: ["Set-Cookie: a=1; Path=/; path=/b"] },
      ],
      keeps: [{ fields: ["Set-Cookie: a=1; Path=/", "Set-Cookie: A=1; Path=/"] }],
    },
  });

  it("keep their values out of findings", () => {
    const fields = ["Set-Cookie: sid=very secret; Path=/; Path=/", "Set-Cookie: sid=secret", "Set-Cookie: secret"];
    const findings = lint(subjectOf({ fields }));
    expect(findings.map(({ rule }) => rule)).toEqual(["XS-1", "XS-2"]);
    expect(JSON.stringify(findings)).not.toContain("secret");
  });
});
