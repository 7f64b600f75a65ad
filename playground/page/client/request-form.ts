import type { CauseInfo, RequestForm, Setup } from "../shared/model.js";
import { byId, h, show } from "./dom.js";

const VISITOR = "203.0.113.7";
/** Somebody who is no visitor; the address is one for documentation, as the visitor's is. */
const FORGED = "198.51.100.66";

/** The request builder: what the cause needs is filled in, everything can be changed. */
export class RequestBuilder {
  readonly #method = byId<HTMLSelectElement>("method");
  readonly #path = byId<HTMLInputElement>("path");
  readonly #way = byId<HTMLSelectElement>("way");
  readonly #version = byId<HTMLSelectElement>("version");
  readonly #keptAlive = byId<HTMLInputElement>("kept-alive");
  readonly #fields = byId("fields");
  readonly #summary = byId("request-summary");
  readonly #hasEdge: boolean;
  #cause: CauseInfo | undefined;

  constructor({ hasEdge }: Setup) {
    this.#hasEdge = hasEdge;
    byId("add-field").addEventListener("click", () => {
      const row = this.#row("", "");
      this.#fields.append(row);
      row.querySelector("input")?.focus();
    });
    byId("reset-request").addEventListener("click", () => this.#cause && this.fill(this.#cause));
    byId("request").addEventListener("input", () => this.#settle());
  }

  /** Fills in what the cause needs. */
  fill(cause: CauseInfo): void {
    this.#cause = cause;
    this.#method.value = cause.method;
    this.#path.value = cause.path;
    this.#way.value = cause.isDirect || !this.#hasEdge ? "direct" : "edge";
    this.#way.disabled = cause.isDirect || !this.#hasEdge;
    this.#version.value = "1.1";
    this.#keptAlive.checked = false;
    show(
      this.#fields,
      this.#row("CF-RAY", ""),
      this.#row("CF-Connecting-IP", cause.isDirect ? FORGED : VISITOR),
      this.#row("Accept", "text/html"),
    );
    this.#settle();
  }

  /** What the form says. A Ray ID that is left empty is a new one for each run: it names one request. */
  read(): RequestForm {
    const rows = [...this.#fields.querySelectorAll("li")].map((row) => {
      const [name, value] = [...row.querySelectorAll("input")].map((input) => input.value.trim());
      return [name ?? "", value ?? ""] as const;
    });
    const headers = rows
      .filter(([name]) => name !== "")
      .map(([name, value]) => [name, value === "" && /^cf-ray$/i.test(name) ? newRay() : value] as const);
    return {
      method: this.#method.value,
      path: this.#path.value || "/",
      headers,
      way: this.#way.value === "direct" ? "direct" : "edge",
      version: this.#version.value === "1.0" ? "1.0" : "1.1",
      keptAlive: this.#keptAlive.checked,
    };
  }

  #settle(): void {
    const isDirect = this.#way.value === "direct";
    // Whatever the visitor speaks, the edge speaks HTTP/1.1 to the origin server.
    this.#version.disabled = !isDirect;
    if (!isDirect) this.#version.value = "1.1";
    const by = isDirect ? "by the strict client, straight to the origin server" : "through the edge";
    const kept = this.#keptAlive.checked ? ", on a connection used before" : "";
    this.#summary.textContent = `${this.#method.value} ${this.#path.value} HTTP/${this.#version.value} ${by}${kept}`;
  }

  #row(name: string, value: string): HTMLLIElement {
    const isRay = name === "CF-RAY";
    const label = name || "new header";
    const row = h(
      "li",
      {},
      h("input", { value: name, "aria-label": "Header name", placeholder: "Name", spellcheck: "false", class: "name" }),
      h("input", {
        value,
        "aria-label": `Value of ${label}`,
        placeholder: isRay ? "a new Ray ID for each run" : "Value",
        spellcheck: "false",
      }),
      h(
        "button",
        { type: "button", class: "quiet", "aria-label": `Remove ${label}`, onclick: () => row.remove() },
        "×",
      ),
    );
    return row;
  }
}

function newRay(): string {
  // The first digit keeps it apart from the Ray IDs of steady traffic.
  const digits = [...crypto.getRandomValues(new Uint8Array(8))].map((octet) => octet.toString(16).padStart(2, "0"));
  return `9${digits.join("").slice(1)}-AMS`;
}
