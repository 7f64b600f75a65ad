import type { TimelineEvent } from "../shared/model.js";
import { h } from "./dom.js";

const LANES: readonly TimelineEvent["lane"][] = ["edge", "wire", "app", "guard", "process"];
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 400;
const LEFT = 52;
const ROW = 16;

/** What happened when: a strip with a lane for each party, and the same as a list. */
export function timelineView(events: readonly TimelineEvent[]): HTMLElement {
  return h(
    "div",
    { class: "timeline" },
    strip(events),
    h(
      "ol",
      { tabindex: 0 },
      ...events.map(({ ms, lane, event, text, isBad }) =>
        h(
          "li",
          { class: isBad ? "bad" : "" },
          h("span", { class: "ms" }, ms < 10 ? ms.toFixed(1) : String(Math.round(ms))),
          h("span", { class: `lane lane-${lane}` }, lane),
          h("span", {}, h("strong", {}, event), ` ${text}`),
        ),
      ),
    ),
  );
}

/** The list says everything in words; this is for the eye alone. */
function strip(events: readonly TimelineEvent[]): SVGElement {
  const lanes = LANES.filter((lane) => events.some((event) => event.lane === lane));
  const last = Math.max(1, ...events.map(({ ms }) => ms));
  const height = lanes.length * ROW + 16;
  const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${height}`, "aria-hidden": "true", class: "strip" });
  // A root keeps the first milliseconds apart, where most of it happens, and the end in sight.
  const x = (ms: number): number => LEFT + Math.sqrt(ms / last) * (WIDTH - LEFT - 8);
  lanes.forEach((lane, i) => {
    const y = i * ROW + ROW / 2;
    svg.append(text(0, y + 4, lane), element("line", { x1: LEFT, x2: WIDTH, y1: y, y2: y, class: "rule" }));
    for (const { ms, isBad } of events.filter((event) => event.lane === lane)) {
      svg.append(element("circle", { cx: x(ms), cy: y, r: 4, class: isBad ? "bad" : lane }));
    }
  });
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    const anchor = part === 0 ? "start" : part === 1 ? "end" : "middle";
    // The scale is no straight one; where it stands has to be said more than twice.
    const ms = last * part * part;
    svg.append(text(part === 1 ? WIDTH : x(ms), height - 2, `${rounded(ms)}${part === 1 ? " ms" : ""}`, anchor));
  }
  return svg;
}

/** One decimal where a millisecond is much. */
function rounded(ms: number): number {
  return ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms);
}

function text(x: number, y: number, words: string, anchor = "start"): SVGElement {
  const node = element("text", { x, y, "text-anchor": anchor });
  node.textContent = words;
  return node;
}

function element(name: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  return node;
}
