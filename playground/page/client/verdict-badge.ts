import type { Verdict } from "../shared/model.js";
import { h } from "./dom.js";

const SIGNS: Readonly<Record<Verdict["kind"], string>> = {
  complete: "✓",
  cut: "✂",
  invalid: "!",
  failed: "✕",
  deceived: "!",
};

/** The verdict as a badge: a sign and words, so that colour is never all there is. */
export function badge({ kind, label }: Verdict): HTMLElement {
  return h("span", { class: `badge ${kind}` }, h("span", { "aria-hidden": "true", class: "sign" }, SIGNS[kind]), label);
}
