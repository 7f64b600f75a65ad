import type { FeedIncident, FrameworkName, ProcessView, Pulse } from "../shared/model.js";
import { order } from "./api.js";
import { OutcomeChart } from "./chart.js";
import { byId, h, show, timeOf } from "./dom.js";

const MAX_SHOWN = 100;

/** What is going on: processes, counters, the chart and the incidents, from the server's events. */
export class Live {
  readonly #chart = new OutcomeChart(byId("chart"));
  readonly #incidents = byId("incident-feed");
  readonly #traffic = byId<HTMLInputElement>("traffic");
  readonly #fail: (error: Error) => void;
  #framework: FrameworkName;
  #pulse: Pulse | undefined;
  #shown = "";

  constructor(framework: FrameworkName, fail: (error: Error) => void) {
    this.#framework = framework;
    this.#fail = fail;
    this.#traffic.addEventListener("change", () => this.#setTraffic(this.#traffic.checked));
    this.#listen();
  }

  setFramework(framework: FrameworkName): void {
    this.#framework = framework;
    if (this.#traffic.checked) this.#setTraffic(true);
    this.#showProcesses();
  }

  #listen(): void {
    const source = new EventSource("/api/events");
    const on = (name: string, take: (data: never) => void): void => {
      source.addEventListener(name, (event) => take(JSON.parse((event as MessageEvent<string>).data) as never));
    };
    on("pulse", (pulse: Pulse) => this.#take(pulse));
    on("incidents", (incidents: FeedIncident[]) => {
      show(this.#incidents);
      for (const incident of incidents) this.#add(incident);
    });
    on("incident", (incident: FeedIncident) => this.#add(incident));
    source.addEventListener("open", () => byId("connection").classList.remove("lost"));
    source.addEventListener("error", () => byId("connection").classList.add("lost"));
  }

  #take(pulse: Pulse): void {
    this.#pulse = pulse;
    for (const key of ["prevented", "incidents", "bareFailures", "requests"] as const) {
      byId(`count-${key}`).textContent = pulse[key].toLocaleString("en");
    }
    byId("header-prevented").textContent = pulse.prevented.toLocaleString("en");
    this.#traffic.checked = pulse.isTraffic;
    this.#chart.add(pulse.outcomes);
    this.#showProcesses();
  }

  #showProcesses(): void {
    const own = (this.#pulse?.processes ?? []).filter(({ framework }) => framework === this.#framework);
    const target = byId("processes");
    // Drawn again only when something has changed, so that a button keeps its focus.
    const state = JSON.stringify(own);
    if (state === this.#shown) return;
    this.#shown = state;
    const focused = document.activeElement?.getAttribute("data-order");
    show(target, ...own.map((process) => this.#process(process)));
    if (focused) target.querySelector<HTMLElement>(`[data-order="${focused}"]`)?.focus();
  }

  #process({ name, side, pid, state, health, deaths, inFlight, port }: ProcessView): HTMLElement {
    const button = (what: string, label: string) =>
      h(
        "button",
        {
          type: "button",
          "data-order": `${name} ${what}`,
          "aria-label": `${label}: ${name}`,
          onclick: () => void order(`/api/processes/${name}/${what}`).catch(this.#fail),
        },
        label,
      );
    const path = side === "guarded" ? "/health" : "/";
    const answer = health === null ? "not asked yet" : health === 0 ? "no answer" : String(health);
    return h(
      "article",
      { class: `process ${side}` },
      h("h3", {}, name, h("span", { class: `state ${state}` }, state)),
      h(
        "dl",
        {},
        ...pair("process", String(pid)),
        ...pair("port", String(port)),
        ...pair(path, answer),
        ...pair("restarts", String(deaths)),
        ...(inFlight === null ? [] : pair("in flight", String(inFlight))),
      ),
      h(
        "p",
        { class: "orders" },
        button("sigterm", "SIGTERM"),
        button("block", "Block loop 4 s"),
        button("kill", "Kill -9"),
      ),
    );
  }

  #add({ at, origin, code, action, prevented, message, method, url }: FeedIncident): void {
    const kept = prevented !== null && (action === "replaced" || action === "repaired");
    this.#incidents.prepend(
      h(
        "li",
        {},
        h("time", {}, timeOf(at)),
        h(
          "span",
          { class: "what" },
          h("code", {}, code),
          ` ${action}`,
          kept && h("span", { class: "prevented" }, `${prevented} prevented`),
        ),
        h("span", { class: "who" }, `${origin} ${method} ${url}`),
        h("span", { class: "message" }, message),
      ),
    );
    while (this.#incidents.childElementCount > MAX_SHOWN) this.#incidents.lastElementChild?.remove();
  }

  #setTraffic(isOn: boolean): void {
    order(`/api/traffic/${this.#framework}/${isOn ? "on" : "off"}`).catch(this.#fail);
  }
}

function pair(name: string, value: string): HTMLElement[] {
  return [h("div", { class: "pair-of" }, h("dt", {}, name), h("dd", { class: "value" }, value))];
}
