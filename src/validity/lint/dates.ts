import { isHttpDate, isObsoleteDate, readImfFixdate } from "../../http/date.js";
import { isDigits } from "../../http/grammar.js";
import type { Check } from "./section.js";
import { showField } from "./show.js";

/** Clocks differ, and a gateway passes Date on: only a Date further off than this is a mistake for certain. */
const DATE_TOLERANCE_MS = 300_000;

/** Node renders Date once a second, so that it may lie a little behind a file that has just been written. */
const CLOCK_STEP_MS = 2_000;

const ADVICE = "Write it as Date.prototype.toUTCString() does: Sun, 06 Nov 1994 08:49:37 GMT.";

/** Dates. RFC 9110, sections 5.6.7, 6.6.1, 8.8.2.1 and 10.2.3; RFC 9111, section 5.3. */
export const dateChecks = {
  /** Expires and Retry-After are left to CC-5 and MD-14, unless they hold a date in an obsolete form. */
  "HF-13": (section) => {
    for (const name of ["Date", "Last-Modified", "Sunset", "Expires", "Retry-After"]) {
      const mustBeDate = name !== "Expires" && name !== "Retry-After";
      for (const value of section.values(name.toLowerCase())) {
        if (mustBeDate ? readImfFixdate(value) === undefined : isObsoleteDate(value)) {
          return { found: showField(name, value), advice: ADVICE };
        }
      }
    }
    return undefined;
  },

  /** A response that was stored on its way, or has passed another origin server, keeps the Date it was made with. */
  "MD-2": (section) => {
    const value = section.value("date");
    if (value === undefined || section.has("age") || section.has("via")) return undefined;
    const date = readImfFixdate(value);
    if (date === undefined || !(Math.abs(section.subject.now - date) > DATE_TOLERANCE_MS)) return undefined;
    return {
      found: `${showField("Date", value)}, ${Math.round((date - section.subject.now) / 1000)} s from now`,
      advice: "Leave Date to Node, which sends the time of the response.",
    };
  },

  "MD-3": (section) => {
    const value = section.value("last-modified");
    const modified = value === undefined ? undefined : readImfFixdate(value);
    if (value === undefined || modified === undefined) return undefined;
    const made = readImfFixdate(section.value("date") ?? "") ?? section.subject.now;
    if (!(modified - made > CLOCK_STEP_MS)) return undefined;
    return {
      found: `${showField("Last-Modified", value)}, ${Math.round((modified - made) / 1000)} s after Date`,
      advice: "Send the time of the response where a modification time lies in the future.",
    };
  },

  "MD-14": (section) => {
    const value = section.value("retry-after");
    if (value === undefined || isDigits(value) || isHttpDate(value)) return undefined;
    return {
      found: showField("Retry-After", value),
      advice: "Write whole seconds (Retry-After: 120) or a date (Retry-After: Sun, 06 Nov 1994 08:49:37 GMT).",
    };
  },

  /** RFC 9111, section 5.3: recipients take 0 and -1 for a date in the past, senders have to write one. */
  "CC-5": (section) => {
    const value = section.values("expires").find((text) => !isHttpDate(text));
    if (value === undefined) return undefined;
    return {
      found: showField("Expires", value),
      advice:
        "Say so in Cache-Control (no-store, no-cache or max-age=0) and drop Expires, or write a date in the past.",
    };
  },
} satisfies Record<string, Check>;
