import { type Draft, dropField, setField, valuesOf } from "../draft.js";
import type { GuardedRule } from "./rule.js";

/** Options a response may name in Connection; anything else names an end-to-end field by mistake. */
const OPTIONS: Readonly<Record<string, string>> = { close: "close", "keep-alive": "keep-alive", upgrade: "Upgrade" };

/** Connection management (RFC 9110, section 7.6.1; RFC 9112, section 9). */
export const connectionRules: readonly GuardedRule[] = [
  {
    id: "CX-5",
    check: (draft) => {
      const options = connectionOptions(draft);
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
  },
  {
    id: "CX-2",
    check: (draft) => {
      if (!draft.requestCloses || !connectionOptions(draft).includes("keep-alive")) return null;
      return {
        found: "The app kept a connection alive that the client asked to close.",
        repair: (d) => setOptions(d, ["close", ...connectionOptions(d).filter((option) => option === "upgrade")]),
      };
    },
  },
  {
    id: "CX-6",
    check: (draft) => {
      if (draft.status === 101 || valuesOf(draft, "upgrade").length === 0 || draft.version === "2.0") return null;
      const options = connectionOptions(draft);
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
  },
  {
    id: "CX-4",
    check: (draft) => {
      if (valuesOf(draft, "keep-alive").length === 0) return null;
      const options = connectionOptions(draft);
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
  },
];

function connectionOptions(draft: Draft): string[] {
  return valuesOf(draft, "connection")
    .flatMap((value) => String(value).split(","))
    .map((option) => option.trim().toLowerCase())
    .filter((option) => option !== "");
}

function setOptions(draft: Draft, options: readonly string[]): void {
  const closes = options.includes("close");
  const kept = options.filter((option) => !(closes && option === "keep-alive"));
  if (kept.length === 0) dropField(draft, "connection");
  else setField(draft, "Connection", [...new Set(kept)].map((option) => OPTIONS[option]).join(", "));
}
