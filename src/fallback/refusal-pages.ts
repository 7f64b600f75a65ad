import type { IncomingMessage } from "node:http";
import { composePage, type Page } from "./page.js";

/** Stands in for a Ray ID, which has as many characters. It occurs nowhere else in a page. */
const RAY_HERE = "~".repeat(16);

/** How long a page serves, in milliseconds: Date has seconds. */
const SERVES_MS = 1_000;

/** Accept fields whose pages are kept: browsers, programs and health checks of one origin send a handful. */
const MOST_FIELDS = 64;
const MOST_OCTETS = 512;

interface Template {
  readonly page: Page;
  readonly text: string;
}

/**
 * Refusals come by the thousand when the processor has the least to spare, and differ in their Ray ID alone. One of each
 * kind is composed in a second.
 */
export class RefusalPages {
  readonly #templates = new Map<string, Template>();
  #second = -1;

  page(request: IncomingMessage, ray: string | null, retryAfterS: number | undefined): Page {
    const { accept = "" } = request.headers;
    const second = Math.floor(Date.now() / SERVES_MS);
    if (second !== this.#second) {
      this.#second = second;
      this.#templates.clear();
    }
    const key = `${ray === null ? "" : RAY_HERE}${accept}`;
    let template = this.#templates.get(key);
    if (template === undefined) {
      const page = composePage({ status: 503, ray: ray && RAY_HERE, request, lost: [], retryAfterS });
      template = { page, text: page.body.toString("latin1") };
      if (this.#templates.size < MOST_FIELDS && accept.length <= MOST_OCTETS) this.#templates.set(key, template);
    }
    if (ray === null) return template.page;
    return { ...template.page, body: Buffer.from(template.text.replaceAll(RAY_HERE, ray), "latin1") };
  }
}
