import type { OctetRow, WireConnection, WireProblem } from "../shared/model.js";
import { h } from "./dom.js";

const KINDS: Readonly<Record<OctetRow["kind"], string>> = {
  request: "request",
  status: "status line",
  interim: "interim",
  field: "field",
  blank: "end of section",
  chunk: "chunk",
  content: "content",
  trailer: "trailer",
  unread: "no response",
  surplus: "surplus",
};

/** The octets of one connection, as the strict parser read them. */
export function connectionView(connection: WireConnection, isFirst: boolean): HTMLElement {
  const { id, isReused, requestOctets, responseOctets, request, response, problems, end } = connection;
  const reused = isReused ? ", used before" : "";
  const none = response.length === 0 ? h("p", { class: "nothing" }, "Not one octet came back.") : null;
  return h(
    "details",
    { class: "connection", open: isFirst },
    h("summary", {}, `Connection ${id}${reused}: ${count(requestOctets)} out, ${count(responseOctets)} back, ${end}`),
    h("details", { class: "request-octets" }, h("summary", {}, `Request, ${count(requestOctets)}`), rows(request)),
    none ?? rows(response),
    ...problems.map(problemView),
    h("p", { class: `ending ${/reset|refused/.test(end) || response.length === 0 ? "bad" : ""}` }, `■ ${end}`),
  );
}

function rows(all: readonly OctetRow[]): HTMLElement {
  return h(
    "ol",
    { class: "octets", tabindex: 0 },
    ...all.flatMap((row) => [rowView(row), ...row.problems.map(problemItem)]),
  );
}

function rowView({ offset, kind, text, omitted, problems }: OctetRow): HTMLElement {
  return h(
    "li",
    { class: `row ${kind}${problems.length > 0 ? " bad" : ""}` },
    h("span", { class: "offset" }, String(offset)),
    h("code", {}, ...marked(text), omitted > 0 && h("span", { class: "omitted" }, `… ${count(omitted)} more`)),
    h("span", { class: "kind" }, KINDS[kind]),
  );
}

/** Escapes are paler than text, and a line that ends inside of content ends here as well. */
function marked(text: string): (string | HTMLElement)[] {
  return text
    .split(/((?:\\(?:[rnt\\]|x[0-9a-f]{2}))+)/)
    .filter((part) => part !== "")
    .flatMap((part) => {
      if (!part.startsWith("\\")) return [part];
      return [h("span", { class: "control" }, part), part.endsWith("\\n") ? "\n" : ""];
    });
}

function problemItem(problem: WireProblem): HTMLElement {
  return h("li", { class: "problem-row" }, problemView(problem));
}

function problemView({ offset, message, rule, code }: WireProblem): HTMLElement {
  return h(
    "div",
    { class: "problem" },
    h("p", {}, h("strong", {}, rule?.id ?? code), ` at octet ${offset}: ${message}`),
    rule && h("p", { class: "rule" }, `${rule.statement} `, h("cite", {}, rule.source)),
  );
}

function count(octets: number): string {
  return `${octets.toLocaleString("en")} ${octets === 1 ? "octet" : "octets"}`;
}
