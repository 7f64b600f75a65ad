import type { IncidentView, Side } from "../shared/model.js";
import { h } from "./dom.js";

/** What the guard says of it; a bare origin server says nothing. */
export function incidentsView(
  incidents: readonly IncidentView[],
  side: Side,
  none = "None: the options of the guard kept it from happening at all.",
): HTMLElement {
  if (side === "bare") {
    const text = "None: nobody watches. All there is to go by is the Ray ID on the edge's page.";
    return h("p", { class: "nothing" }, text);
  }
  if (incidents.length === 0) {
    return h("p", { class: "nothing" }, none);
  }
  return h("div", { class: "incidents" }, ...incidents.map(incidentView));
}

function incidentView({ code, action, prevented, message, rule, err, status, count }: IncidentView): HTMLElement {
  const kept = prevented !== null && (action === "replaced" || action === "repaired");
  return h(
    "article",
    { class: "incident" },
    h(
      "h4",
      {},
      h("code", {}, code),
      ` ${action}${status === null ? "" : ` by ${status}`}`,
      count > 1 && h("span", { class: "times" }, ` × ${count}`),
      kept && h("span", { class: "prevented" }, `${prevented} prevented`),
    ),
    h("p", {}, message),
    rule && h("p", { class: "rule" }, `${rule.id}: ${rule.statement} `, h("cite", {}, rule.source)),
    err !== null && h("details", {}, h("summary", {}, "The app's error"), h("pre", { tabindex: 0 }, err)),
  );
}

const LEVELS: Readonly<Record<number, string>> = { 30: "info", 40: "warn", 50: "error", 60: "fatal" };

/** Lines of the log: what is JSON is shown by its message, with the whole line below. */
export function logView(lines: readonly string[]): HTMLElement {
  if (lines.length === 0) return h("p", { class: "nothing" }, "Not one line.");
  return h("ol", { class: "log", tabindex: 0, "aria-label": "Log lines" }, ...lines.map(lineView));
}

function lineView(line: string): HTMLElement {
  const record = parsed(line);
  if (record === undefined) return h("li", { class: "plain" }, h("code", {}, line || " "));
  const { level, msg, time, pid, hostname, ...rest } = record;
  const name = LEVELS[Number(level)] ?? "info";
  return h(
    "li",
    { class: `level-${name}` },
    h("span", { class: "level" }, name),
    h("code", {}, h("strong", {}, String(msg ?? "")), ` ${JSON.stringify(rest)}`),
  );
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    return line.startsWith("{") ? (JSON.parse(line) as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // a line that was cut, or none of the logger's
  }
}
