import type { RunSummary } from "../shared/model.js";
import { byId, h, timeOf } from "./dom.js";
import { badge } from "./verdict-badge.js";

const KEPT = 200;

/** The runs so far, newest first; each can be shown again. */
export class History {
  readonly #body = byId("history");
  readonly #choose: (run: RunSummary) => void;

  constructor(choose: (run: RunSummary) => void) {
    this.#choose = choose;
  }

  add(run: RunSummary): void {
    this.#body.prepend(
      h(
        "tr",
        { "data-run": run.id },
        h(
          "td",
          {},
          h("button", { type: "button", class: "link", onclick: () => this.#choose(run) }, `#${run.id} ${run.cause}`),
        ),
        h("td", {}, run.framework),
        h("td", {}, badge(run.bare)),
        h("td", {}, badge(run.guarded)),
        h("td", { class: "time" }, timeOf(run.at)),
      ),
    );
    while (this.#body.childElementCount > KEPT) this.#body.lastElementChild?.remove();
    byId("history-count").textContent = String(this.#body.childElementCount);
  }
}
