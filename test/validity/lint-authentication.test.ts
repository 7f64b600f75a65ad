import { describe, expect, it } from "vitest";
import { authenticationChecks, readChallenges } from "../../src/validity/lint/authentication.js";
import { defineLintCases } from "./lint-cases.js";

describe("challenges", () => {
  defineLintCases(authenticationChecks, {
    "RQ-1": {
      breaks: [{ status: 401 }, { status: 401, fields: ["WWW-Authenticate:"] }],
      keeps: [
        { status: 401, fields: ["WWW-Authenticate: Bearer"] },
        { status: 401, fields: ["WWW-Authenticate: Negotiate"] },
        { status: 403 },
      ],
    },
    "RQ-3": {
      breaks: [{ status: 407, also: ["SL-15"] }],
      keeps: [{ status: 401, fields: ['WWW-Authenticate: Basic realm="api"'] }],
    },
    "MD-18": {
      breaks: [
        { status: 401, fields: ["WWW-Authenticate: Basic realm=api"] },
        { status: 401, fields: ['WWW-Authenticate: realm="api"'] },
        { status: 401, fields: ['WWW-Authenticate: Digest realm="a", nonce="b", NONCE="c"'] },
        { status: 401, fields: ["WWW-Authenticate: Please log in!"] },
        { status: 401, fields: ['WWW-Authenticate: Basic realm="api'] },
      ],
      keeps: [
        { status: 401, fields: ['WWW-Authenticate: Basic realm="api", charset="UTF-8"'] },
        { status: 401, fields: ['WWW-Authenticate: Digest realm="a", qop="auth, auth-int", Basic realm="a"'] },
        { status: 401, fields: ["WWW-Authenticate: Negotiate YWJj=="] },
        {
          status: 401,
          fields: ['WWW-Authenticate: Bearer realm="a", error="invalid_token"', "WWW-Authenticate: Basic"],
        },
      ],
    },
  });

  it("are told apart though commas separate their parameters as well", () => {
    const challenges = readChallenges(
      'Newauth realm="apps", type=1, title="Log in to \\"apps\\"", Basic realm="simple"',
    );
    expect(challenges?.map(({ scheme }) => scheme)).toEqual(["Newauth", "Basic"]);
    expect(challenges?.[0]?.parameters.map(({ value }) => value)).toEqual(["apps", "1", 'Log in to "apps"']);
  });
});
