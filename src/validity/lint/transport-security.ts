import { isDigits } from "../../http/grammar.js";
import { readParameter, split } from "../../http/parameters.js";
import { firstRepeated } from "./first-repeated.js";
import type { Check, Section } from "./section.js";
import { showField } from "./show.js";

/** Strict-Transport-Security. RFC 6797. */
export const transportSecurityChecks = {
  /**
   * Behind an edge the connection to the origin server says nothing about that of the client, so that the field is taken
   * for sent in clear only where the edge says so.
   */
  "XS-3": (section) => {
    const values = section.values("strict-transport-security");
    const [value] = values;
    if (value === undefined) return undefined;
    if (values.length > 1) {
      return {
        found: `${values.length} lines of Strict-Transport-Security`,
        advice: "Send it once, from the application or from the edge.",
      };
    }
    const advice = problemOf(value);
    if (advice !== undefined) return { found: showField("Strict-Transport-Security", value), advice };
    if (clientScheme(section) !== "http") return undefined;
    return {
      found: "Strict-Transport-Security to a client that came over http",
      advice: "Redirect to https there, and send this field over https only.",
    };
  },
} satisfies Record<string, Check>;

function problemOf(value: string): string | undefined {
  const directives = split(value, ";").filter((text) => text !== "");
  const read = directives.flatMap((text) => readParameter(text) ?? []);
  if (read.length < directives.length)
    return "Write directives with semicolons between them: max-age=31536000; includeSubDomains.";
  const maxAge = read.find(({ name }) => name === "max-age")?.value;
  if (maxAge === undefined || !isDigits(maxAge)) return "Give max-age, in whole seconds: max-age=31536000.";
  if (read.some(({ name, value: argument }) => name === "includesubdomains" && argument !== undefined)) {
    return "Write includeSubDomains without a value.";
  }
  const repeated = firstRepeated(read.map(({ name }) => name));
  return repeated === undefined ? undefined : `Give ${repeated} once.`;
}

/** How the client came, as the nearest intermediary tells it. */
function clientScheme(section: Section): string | undefined {
  if (section.subject.request.encrypted && section.requestValue("cf-visitor") === undefined) return "https";
  const visitor = /"scheme"\s*:\s*"(https?)"/.exec(section.requestValue("cf-visitor") ?? "")?.[1];
  return visitor ?? section.requestValue("x-forwarded-proto")?.split(",")[0]?.trim().toLowerCase();
}
