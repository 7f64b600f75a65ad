import { type Draft, dropField, elementsOf, setField, valuesOf } from "../draft.js";
import type { GuardedRules } from "./rule.js";

/** Options a response may name in Connection; anything else names an end-to-end field by mistake. */
const OPTIONS: Readonly<Record<string, string>> = { close: "close", "keep-alive": "keep-alive", upgrade: "Upgrade" };

/** Connection management (RFC 9110, section 7.6.1; RFC 9112, section 9). */
export const connectionRules: GuardedRules = {
  "CX-5": (draft) => {
    const options = elementsOf(draft, "connection");
    if (draft.version === "2.0") return null;
    // Node says that a connection closes only where the app said nothing.
    if (
      (draft.version === "1.0" || draft.requestCloses) &&
      draft.status !== 101 &&
      valuesOf(draft, "connection").length > 0 &&
      !options.includes("close") &&
      !options.includes("keep-alive")
    )
      return {
        found: "The app's Connection field did not say whether the connection persists.",
        repair: (d) =>
          setOptions(d, ["close", ...options.filter((o) => o === "upgrade" && valuesOf(d, "upgrade").length > 0)]),
      };
    if (options.length === 0) return null;
    const known = options.filter(
      (option) => option in OPTIONS && (option !== "upgrade" || valuesOf(draft, "upgrade").length > 0),
    );
    const contradicts = known.includes("close") && known.includes("keep-alive");
    if (known.length === options.length && !contradicts && valuesOf(draft, "connection").length === 1) return null;
    return {
      found: "The app's Connection field named what is no connection option.",
      repair: (d) => setOptions(d, known),
    };
  },
  "CX-2": (draft) => {
    if (!draft.requestCloses || !elementsOf(draft, "connection").includes("keep-alive")) return null;
    return {
      found: "The app kept a connection alive that the client asked to close.",
      repair: (d) => setOptions(d, ["close", ...elementsOf(d, "connection").filter((option) => option === "upgrade")]),
    };
  },
  "CX-6": (draft) => {
    if (draft.status === 101 || valuesOf(draft, "upgrade").length === 0 || draft.version === "2.0") return null;
    const options = elementsOf(draft, "connection");
    if (options.includes("upgrade")) return null;
    return {
      found: "The app sent Upgrade without Connection: upgrade.",
      repair: (d) =>
        setOptions(d, [
          ...options,
          ...((d.requestCloses || d.version === "1.0") && !options.includes("close") ? ["close"] : []),
          "upgrade",
        ]),
    };
  },
  "CX-4": (draft) => {
    if (valuesOf(draft, "keep-alive").length === 0) return null;
    const options = elementsOf(draft, "connection");
    const closes = draft.requestCloses || options.includes("close");
    const wellFormed = valuesOf(draft, "keep-alive").every((v) =>
      /^(?:timeout|max)=[0-9]+(?:, ?(?:timeout|max)=[0-9]+)*$/.test(String(v)),
    );
    if (!closes && wellFormed && (options.length === 0 || options.includes("keep-alive"))) return null;
    return {
      found: "The app sent Keep-Alive on a connection that closes, or malformed.",
      repair: (d) => dropField(d, "keep-alive"),
    };
  },
};

function setOptions(draft: Draft, options: readonly string[]): void {
  const closes = options.includes("close");
  const kept = options.filter((option) => !(closes && option === "keep-alive"));
  if (kept.length === 0) dropField(draft, "connection");
  else setField(draft, "Connection", [...new Set(kept)].map((option) => OPTIONS[option]).join(", "));
}
