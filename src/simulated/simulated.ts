import type { IncomingMessage, ServerResponse } from "node:http";
import { contained } from "../containment.js";
import { Exchange, type Supervisor } from "../exchange/exchange.js";
import { hangOn } from "../exchange/exchange-of.js";
import type { Page } from "../fallback/page.js";
import type { FieldLine } from "../http/message.js";
import { peerOfRequest } from "../http1/connection/peer.js";
import type { RouteSettings } from "../options/options.js";
import { type Failure, prematureClose } from "../report/incidents.js";
import type { Peer } from "../trust/caller.js";

/**
 * An exchange without a connection, as `fastify.inject()` makes them: there are no octets, so there is no framing to
 * guard. What is left is that every request is answered.
 */
export class SimulatedExchange extends Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly #end: ServerResponse["end"];
  readonly #destroy: ServerResponse["destroy"];
  #peer: Peer | undefined;

  constructor(supervisor: Supervisor, settings: RouteSettings, request: IncomingMessage, response: ServerResponse) {
    super(supervisor, settings);
    this.request = request;
    this.response = response;
    const destroy = response.destroy;
    this.#destroy = destroy;
    this.#end = response.end;
    hangOn(response, this);
    Object.defineProperty(response, "destroy", {
      configurable: true,
      writable: true,
      value: (error?: Error) => {
        if (response.writableEnded || !this.fail(prematureClose("res.destroy", error))) destroy.call(response, error);
        return response;
      },
    });
    const finished = contained(supervisor, () => this.settle(true));
    response.once("finish", finished);
    const closed = contained(supervisor, () => this.settle(response.writableEnded));
    response.once("close", closed);
  }

  get peer(): Peer {
    this.#peer ??= peerOfRequest(this);
    return this.#peer;
  }

  isBegun(): boolean {
    return this.response.headersSent;
  }

  override get hasConnection(): boolean {
    return false;
  }

  get status(): number {
    return this.response.statusCode;
  }

  readonly octets = 0;

  get isOut(): boolean {
    return this.response.headersSent;
  }

  readonly isWhole = false;

  /** Nobody tells how far the response has come. */
  override fail(failure: Failure): boolean {
    if (this.response.headersSent) this.phase = this.phase.after.commit;
    if (this.response.writableEnded) this.phase = this.phase.after.commit.after.end;
    return super.fail(failure);
  }

  movement(): number {
    return 0;
  }

  backlog(): number {
    return 0;
  }

  lostFields(): readonly FieldLine[] {
    return Object.entries(this.response.getHeaders()).map(([name, value]): FieldLine => [name, String(value)]);
  }

  release(): void {}

  finish(): void {}

  replace(page: Page): void {
    const response = this.response;
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    response.statusCode = page.status;
    for (const [name, value] of page.fields) response.setHeader(name, value);
    this.#end.call(response, page.body, "utf8");
  }

  tearDown(): void {
    this.#destroy.call(this.response);
  }

  abandon(): void {
    this.tearDown();
  }
}
