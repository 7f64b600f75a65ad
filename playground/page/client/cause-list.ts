import type { CauseInfo, RunSummary } from "../shared/model.js";
import { byId, h, show } from "./dom.js";
import { badge } from "./verdict-badge.js";

/** The list of causes on the left: choosing one runs it. Arrow keys move, Enter chooses. */
export class CauseList {
  readonly #buttons = new Map<string, HTMLButtonElement>();

  constructor(causes: readonly CauseInfo[], choose: (cause: CauseInfo) => void) {
    const groups = new Map<string, CauseInfo[]>();
    for (const cause of causes) groups.set(cause.group, [...(groups.get(cause.group) ?? []), cause]);
    const list = byId("causes");
    show(
      list,
      ...[...groups].map(([title, members], i) =>
        h(
          "div",
          { role: "group", "aria-labelledby": `group-${i}` },
          h("h2", { id: `group-${i}` }, title),
          h("ul", {}, ...members.map((cause) => h("li", {}, this.#button(cause, choose)))),
        ),
      ),
    );
    list.addEventListener("keydown", (event) => this.#move(event));
  }

  /** Shows which cause is chosen, and keeps it in view. */
  select(name: string): void {
    for (const [other, button] of this.#buttons) {
      if (other === name) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    this.#buttons.get(name)?.scrollIntoView({ block: "nearest" });
  }

  busy(name: string, isBusy: boolean): void {
    this.#buttons.get(name)?.classList.toggle("busy", isBusy);
  }

  /** Shows what the last run of a cause found; none for a framework that has not run it. */
  results(runs: ReadonlyMap<string, RunSummary>): void {
    for (const [name, button] of this.#buttons) {
      const run = runs.get(name);
      const marks = button.querySelector(".marks") as HTMLElement;
      if (run === undefined) show(marks);
      else show(marks, said("bare"), badge(run.bare), said("guarded"), badge(run.guarded));
    }
  }

  #button(cause: CauseInfo, choose: (cause: CauseInfo) => void): HTMLButtonElement {
    const title = cause.title.replace(/^(?:crash|deploy|overload|spoofed client): |^the process /, "");
    const button = h(
      "button",
      { type: "button", "data-cause": cause.name, onclick: () => choose(cause) },
      h("span", { class: "title" }, title.charAt(0).toUpperCase() + title.slice(1)),
      h("span", { class: "marks" }),
    );
    this.#buttons.set(cause.name, button);
    return button;
  }

  #move(event: KeyboardEvent): void {
    const steps: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1 };
    const step = steps[event.key];
    if (step === undefined) return;
    const all = [...this.#buttons.values()];
    const at = all.indexOf(document.activeElement as HTMLButtonElement);
    all[(at + step + all.length) % all.length]?.focus();
    event.preventDefault();
  }
}

/** The column says it to the eye. */
function said(side: string): HTMLElement {
  return h("span", { class: "hidden" }, `, ${side} `);
}
