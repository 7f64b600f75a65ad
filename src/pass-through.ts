import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { ExchangeContext } from "./exchange/request-context.js";
import type { Health } from "./health/health.js";
import { MESSAGES } from "./report/log.js";
import { shared } from "./shared.js";
import type { GuardSupervisor } from "./supervisor.js";
import { judgePeer } from "./trust/caller.js";

/**
 * What is left of a guard in a runtime that it does not know: it overrides nothing, gives each request it is
 * shown a context, and answers the health check through public methods.
 */
export class PassThrough {
  constructor(
    private readonly runtime: string,
    private readonly supervisor: GuardSupervisor,
    private readonly health: Health,
  ) {}

  /** Says, once for the process, that nothing is guarded. */
  tell(): void {
    if (this.supervisor.settings.logger === false) return;
    shared("unsupported runtime", () => {
      this.supervisor.warn({ runtime: this.runtime }, MESSAGES.unsupportedRuntime);
      return true;
    });
  }

  /** @returns whether the request was a health check, and has its answer */
  answers(request: IncomingMessage, response: ServerResponse): boolean {
    this.tell();
    if (request.rayguard === undefined) giveContext(request, this.supervisor);
    if (!this.health.matches(request)) return false;
    this.health.answer(request, response);
    return true;
  }

  listener(listener: RequestListener): RequestListener {
    this.tell();
    const pass = this;
    return function (this: unknown, request, response) {
      return pass.answers(request, response) ? undefined : listener.call(this as never, request, response);
    };
  }
}

/** Its `signal` never aborts, since nobody watches the response; its deadlines are set and not kept. */
function giveContext(request: IncomingMessage, { settings }: GuardSupervisor): void {
  const owner = {
    request,
    settings,
    supervisor: { watch() {} },
    peer: judgePeer(settings.trust, { address: request.socket?.remoteAddress }),
    knownCaller: undefined,
  };
  const value = new ExchangeContext(owner);
  Object.defineProperty(request, "rayguard", { value, configurable: true, writable: true });
}
