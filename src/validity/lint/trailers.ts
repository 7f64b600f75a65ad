import { isForbiddenTrailer } from "../../http/fields.js";
import type { Check } from "./section.js";
import { escapeText, showField } from "./show.js";

/** Announced trailers. RFC 9110, sections 6.5 and 6.6.2. */
export const trailerChecks = {
  /** Which fields come is to be seen at the end only; that one must not come is to be seen at once. */
  "TR-3": (section) => {
    const never = section.elements("trailer").find(isForbiddenTrailer);
    if (never === undefined) return undefined;
    return {
      found: showField("Trailer", section.values("trailer").join(", ")),
      advice: `Send ${escapeText(never)} in the header section: recipients must not take it from a trailer section.`,
    };
  },

  /** RFC 9110, section 6.5.1: `TE: trailers` says that the recipient keeps them. */
  "TR-6": (section) => {
    const value = section.values("trailer").join(", ");
    if (value === "" || /(?:^|,)\s*trailers\s*(?:$|[,;])/i.test(section.requestValue("te") ?? "")) return undefined;
    return {
      found: `${showField("Trailer", value)} to a request without TE: trailers`,
      advice:
        "Send trailers only to requests with TE: trailers; everything the client needs goes into the header section.",
    };
  },
} satisfies Record<string, Check>;
