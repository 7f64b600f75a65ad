import type { Cause } from "../../causes/cause.js";
import { FORGED_ADDRESS } from "../../causes/process.js";
import type { Seen } from "../../client/seen.js";
import type { Side, Verdict } from "../shared/model.js";

/** Says what was seen, as the table in the terminal does and in one sentence. */
export function verdictOf({ kind, status, rule: broken }: Seen): Verdict {
  const rule = broken ?? null;
  switch (kind) {
    case "complete":
      return { kind, status, rule, label: `${status} complete`, sentence: "The visitor gets a whole, valid response." };
    case "cut":
      return {
        kind,
        status,
        rule,
        label: `${status} cut`,
        sentence: "The response breaks off where everybody can see it.",
      };
    case "invalid": {
      const sentence = "workerd passes it on, although it breaks a rule: a strict edge refuses or misreads it.";
      return { kind, status, rule, label: `${status} !${rule}`, sentence };
    }
    case "failed":
      return {
        kind,
        status,
        rule,
        label: status === 0 ? "no answer" : String(status),
        sentence: FAILED[status] ?? FAILED_OTHERWISE,
      };
  }
}

const FAILED: Readonly<Record<number, string>> = {
  520: "The edge got nothing it could pass on, and shows its own page.",
  524: "The edge waited for its read timeout, and shows its own page.",
};
const FAILED_OTHERWISE = "The visitor gets nothing of the origin server.";

/** A complete response that tells the wrong thing. */
export function deceived({ status }: Verdict): Verdict {
  const sentence = `The app takes the client for ${FORGED_ADDRESS}, as the client told it to.`;
  return { kind: "deceived", status, rule: null, label: `${status} deceived`, sentence };
}

/** Whether the guarded origin server keeps its promise, and whether the bare one fails as the cause says. */
export function isAsClaimed({ mayBreak }: Cause, side: Side, { kind }: Verdict, incidents: number): boolean {
  if (side === "bare") return kind !== "complete";
  // A break counts where the guard made it: without an incident, the edge's patience ended first.
  return kind === "complete" || (mayBreak === true && kind === "cut" && incidents > 0);
}
