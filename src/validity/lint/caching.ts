import { isDigits } from "../../http/grammar.js";
import { type Parameter, readParameter } from "../../http/parameters.js";
import { codingsOf } from "./content.js";
import { firstRepeated } from "./first-repeated.js";
import type { Check, Section } from "./section.js";
import { showField } from "./show.js";

/** Directives whose argument is a number of seconds. RFC 9111, section 5.2.2; RFC 5861. */
const SECONDS = new Set(["max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"]);

/** Fields that caches follow. RFC 9111, section 5; RFC 9110, section 12.5.5. */
export const cachingChecks = {
  "CC-1": (section) => {
    const directive = directivesOf(section).find(
      ({ name, quoted }) => quoted && (name === "max-age" || name === "s-maxage"),
    );
    if (directive === undefined) return undefined;
    return {
      found: showCacheControl(section),
      advice: `Write ${directive.name}=${directive.value} without quotes.`,
    };
  },

  "CC-2": (section) => {
    const directive = directivesOf(section).find(
      ({ name, value, quoted }) => value !== undefined && !quoted && (name === "no-cache" || name === "private"),
    );
    if (directive === undefined) return undefined;
    return {
      found: showCacheControl(section),
      advice: `Quote the field names, ${directive.name}="${directive.value}", or leave them out.`,
    };
  },

  "CC-3": (section) => {
    const names = directivesOf(section).map(({ name }) => name);
    if (!names.includes("must-understand") || names.includes("no-store")) return undefined;
    return {
      found: showCacheControl(section),
      advice: "Write no-store as well: it is for the caches that do not know must-understand.",
    };
  },

  "CC-4": (section) => {
    if (section.elements("cache-control").some((element) => readParameter(element) === undefined)) {
      return {
        found: showCacheControl(section),
        advice: "Write directives with commas between them and no spaces around =: public, max-age=60.",
      };
    }
    const directives = directivesOf(section);
    const directive = directives.find(({ name, value }) => SECONDS.has(name) && !isDigits(value ?? ""));
    if (directive !== undefined) {
      return { found: showCacheControl(section), advice: `Give ${directive.name} whole seconds, 0 or more.` };
    }
    const repeated = firstRepeated(directives.map(({ name }) => name));
    if (repeated === undefined) return undefined;
    return { found: showCacheControl(section), advice: `Give ${repeated} once.` };
  },

  /** An application may well be a cache; one that forbids storing is not. */
  "CC-6": (section) => {
    const value = section.value("age");
    if (value === undefined) return undefined;
    if (!isDigits(value)) return { found: showField("Age", value), advice: "Write whole seconds: Age: 60." };
    if (!directivesOf(section).some(({ name }) => name === "no-store")) return undefined;
    return {
      found: `${showField("Age", value)} on a response with no-store`,
      advice: "Drop Age, which says that the response comes from a cache.",
    };
  },

  /** Content that was coded for a client which accepts codings has been negotiated. */
  "MD-17": (section) => {
    const coding = codingsOf(section).find((name) => name !== "identity");
    if (coding === undefined || section.requestValue("accept-encoding") === undefined) return undefined;
    if (section.method !== "GET" && section.method !== "HEAD") return undefined;
    if (directivesOf(section).some(({ name }) => name === "no-store" || name === "private")) return undefined;
    const names = section.elements("vary").map((name) => name.toLowerCase());
    if (names.includes("*") || names.includes("accept-encoding")) return undefined;
    return {
      found: `${showField("Content-Encoding", coding)} without Vary: Accept-Encoding`,
      advice: "Send Vary: Accept-Encoding, also on the same resource without coding.",
    };
  },
} satisfies Record<string, Check>;

/** Directives that can be read; CC-4 reports the others. */
function directivesOf(section: Section): Parameter[] {
  return section.elements("cache-control").flatMap((element) => readParameter(element) ?? []);
}

function showCacheControl(section: Section): string {
  return showField("Cache-Control", section.values("cache-control").join(", "));
}
