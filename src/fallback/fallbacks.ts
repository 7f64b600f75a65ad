import { isEdgeStatus } from "../cloudflare/edge.js";
import type { Exchange } from "../exchange/exchange.js";
import { withoutGateway } from "../http/status.js";
import type { Failure } from "../report/incidents.js";
import { describeIncident } from "../report/records.js";
import type { FallbackContent } from "./content.js";
import { composePage, type Page } from "./page.js";
import { RefusalPages } from "./refusal-pages.js";

/** Composes what a guard answers in place of a response: its own content, or what the user has for it. */
export class Fallbacks {
  readonly #refusals = new RefusalPages();

  /** @param failed - told of what `errorContent` throws */
  constructor(private readonly failed: (error: unknown) => void) {}

  compose(exchange: Exchange, failure: Failure): Page {
    const status = isEdgeStatus(failure.status) ? 500 : withoutGateway(failure.status);
    const { request } = exchange;
    const ray = exchange.context.ray?.id ?? null;
    const { retryAfterS, headers } = failure;
    const { errorContent } = exchange.terms;
    const lost = exchange.lostFields();
    if (failure.unseen && request !== null && errorContent === undefined && lost.length === 0)
      return this.#refusals.page(request, ray, retryAfterS);
    let content: FallbackContent | undefined;
    if (errorContent !== undefined && request !== null) {
      try {
        content = errorContent(describeIncident(exchange, { ...failure, status }, "replaced"), request);
      } catch (error) {
        this.failed(error);
      }
    }
    return composePage({ status, ray, request, lost, headers, content, retryAfterS });
  }
}
