import { NOT_IN_VALUE } from "../../http/grammar.js";
import { reasonOf, withoutGateway } from "../../http/status.js";
import { elementsIn, elementsOf, setField } from "../draft.js";
import type { GuardedRules } from "./rule.js";

/** Status line (RFC 9110, section 15; RFC 9112, section 4). */
export const statusRules: GuardedRules = {
  "SL-1": ({ status }) =>
    Number.isInteger(status) && status >= 100 && status <= 599
      ? null
      : { found: `The app answered with status ${status}.` },
  // Node refuses such a phrase where it sees it; this one was another when Node looked.
  "SL-4": ({ reason }) =>
    NOT_IN_VALUE.test(reason) ? { found: "The reason phrase holds what none may hold, such as CR or LF." } : null,
  "SL-3": ({ status }) =>
    status >= 200 || status === 101 ? null : { found: `The app ended its response with the interim status ${status}.` },
  "SL-16": ({ status, version }) =>
    status === 101 && version === "2.0" ? { found: "The app answered 101, which HTTP/2 does not have." } : null,
  "SL-8": (draft) => {
    if (draft.status !== 101) return null;
    const offered = draft.version === "1.1" ? elementsIn(draft.upgradeOffered ?? "") : [];
    const chosen = elementsOf(draft, "upgrade");
    const agreed = offered.length > 0 && chosen.every((name) => offered.includes(name));
    return agreed ? null : { found: "The app answered 101 to a request that did not offer that protocol." };
  },
  "SL-9": (draft) => {
    if (draft.status !== 101) return null;
    if (elementsOf(draft, "upgrade").length === 0) return { found: "The app answered 101 without an Upgrade field." };
    const named = elementsOf(draft, "connection").includes("upgrade");
    if (named) return null;
    return {
      found: "The app answered 101 without Connection: upgrade.",
      repair: (d) => setField(d, "Connection", "Upgrade"),
    };
  },
  GATEWAY_STATUS: ({ status, gatewayStatus }) => {
    const instead = withoutGateway(status);
    if (instead === status || gatewayStatus === "keep") return null;
    return {
      found: `The app answered ${status}, whose content the edge replaces; ${instead} went out.`,
      repair: (d) => {
        if (d.reason === reasonOf(status)) d.reason = reasonOf(instead) as string;
        d.status = instead;
      },
    };
  },
};
