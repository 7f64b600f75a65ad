import type { IncidentNote } from "../../process/messages.js";
import type { IncidentView } from "../shared/model.js";
import { ruleInfo } from "./rule-info.js";

const MAX_KINDS = 12;

/** A burst leaves the same incident a hundred times: the first of a kind stands for all. */
export function incidentViews(incidents: readonly IncidentNote[]): IncidentView[] {
  const views = new Map<string, IncidentView>();
  for (const { code, action, prevented, message, ray, method, url, status, err } of incidents) {
    const kind = `${code} ${action} ${status}`;
    const known = views.get(kind);
    const rule = ruleInfo(code);
    const first = known ?? { code, action, prevented, message, ray, method, url, status, err, rule, count: 0 };
    views.set(kind, { ...first, count: first.count + 1 });
  }
  return [...views.values()].slice(0, MAX_KINDS);
}
