import { isToken } from "../../http/grammar.js";
import { type Parameter, readParameter, split } from "../../http/parameters.js";
import { firstRepeated } from "./first-repeated.js";
import type { Check, Section } from "./section.js";
import { showField } from "./show.js";

const TOKEN68 = /^[A-Za-z0-9\-._~+/]+=*$/;

/** A challenge, as far as its form goes. RFC 9110, section 11.3. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: Parameter[];
}

/**
 * Reads the challenges of one WWW-Authenticate line. Commas separate challenges as well as their parameters, so that an
 * element is a parameter where it has the form of one, and else begins the next challenge.
 * @returns `undefined` where the line does not match the grammar.
 */
export function readChallenges(value: string): Challenge[] | undefined {
  const challenges: Challenge[] = [];
  for (const element of split(value, ",")) {
    if (element === "") continue; // HF-11
    const parameter = readLooseParameter(element);
    if (parameter?.value !== undefined) {
      const challenge = challenges.at(-1);
      if (challenge === undefined) return undefined;
      challenge.parameters.push(parameter);
      continue;
    }
    const space = element.indexOf(" ");
    const scheme = space < 0 ? element : element.slice(0, space);
    const rest = space < 0 ? "" : element.slice(space + 1).trimStart();
    if (!isToken(scheme)) return undefined;
    const first = rest === "" ? undefined : readLooseParameter(rest);
    // A token68 may look like a name alone, and then is none.
    if (rest !== "" && first?.value === undefined && !TOKEN68.test(rest)) return undefined;
    challenges.push({ scheme, parameters: first?.value === undefined ? [] : [first] });
  }
  return challenges;
}

/** Challenges and the statuses that need them. RFC 9110, section 11. */
export const authenticationChecks = {
  "RQ-1": (section) => missingChallenge(section, 401, "WWW-Authenticate"),
  "RQ-3": (section) => missingChallenge(section, 407, "Proxy-Authenticate"),

  "MD-18": (section) => {
    for (const name of ["WWW-Authenticate", "Proxy-Authenticate"]) {
      for (const value of section.values(name.toLowerCase())) {
        const advice = problemOf(value);
        if (advice !== undefined) return { found: showField(name, value), advice };
      }
    }
    return undefined;
  },
} satisfies Record<string, Check>;

function missingChallenge(section: Section, status: number, name: string) {
  if (section.status !== status || section.values(name.toLowerCase()).some((value) => value !== "")) return undefined;
  return {
    found: `${status} without ${name}`,
    advice: `Say how to authenticate, as in ${name}: Bearer realm="api", or answer 403 where no credentials would help.`,
  };
}

function problemOf(value: string): string | undefined {
  const challenges = readChallenges(value);
  if (challenges === undefined) return 'Write scheme and parameters: Bearer realm="api", error="invalid_token".';
  for (const { parameters } of challenges) {
    if (parameters.some(({ name, quoted }) => name === "realm" && !quoted)) return 'Quote the realm: realm="api".';
    const repeated = firstRepeated(parameters.map(({ name }) => name));
    if (repeated !== undefined) return `Give ${repeated} once in a challenge.`;
  }
  return undefined;
}

/** A parameter with the whitespace around `=` that HF-12 reports. */
function readLooseParameter(text: string): Parameter | undefined {
  const equals = text.indexOf("=");
  if (equals < 0) return undefined;
  return readParameter(`${text.slice(0, equals).trimEnd()}=${text.slice(equals + 1).trimStart()}`);
}
