import type { IncomingMessage, ServerResponse } from "node:http";
import { parseRay, type Ray } from "../cloudflare/ray.js";
import type { RayguardError } from "../errors.js";
import { checkDeadline } from "../option-checks.js";
import type { RouteSettings } from "../options/options.js";
import { type Asked, callerOf, clientIpOf, countryOf } from "../trust/caller.js";

interface Owner extends Asked {
  readonly request: IncomingMessage | null;
  settings: RouteSettings;
  readonly supervisor: { watch(exchange: never): void };
}

/** What the guard knows of a request: `req.rayguard`, and `request.rayguard` under Fastify. */
export interface RequestContext {
  /** The Ray ID, or `null` where the request carries none that looks like one. */
  readonly ray: Ray | null;
  /**
   * Address of the client as the edge names it, where the edge has proved itself (option `trust`); else the outermost
   * address that is known for certain, usually that of the peer. Nothing a client sends can choose it.
   */
  readonly clientIp: string | null;
  /** Whether the request came through a hop that proved itself, which vouches for `clientIp`. */
  readonly verified: boolean;
  /** CF-IPCountry of a verified request: two letters, `T1` for Tor, or `null`. */
  readonly country: string | null;
  /**
   * Aborts with a `RayguardError` when the deadline passes, the client goes away, the response is torn down or the process
   * drains: for a stream of events as soon as `lameDuckMs` is over, for any other request that still goes on a second later.
   */
  readonly signal: AbortSignal;
  /**
   * Sets both deadlines of this request, counted from now; `false` waits for ever.
   * @throws {RayguardError} `ERR_RAYGUARD_INVALID_ARGUMENT`
   */
  deadline(ms: number | false): void;
}

/** A request that a guard has seen. */
export type GuardedRequest = IncomingMessage & { readonly rayguard: RequestContext };

/** A request listener as `guard.listener()` takes it, sync or async. */
export type GuardedListener = (request: GuardedRequest, response: ServerResponse) => void;

/** Each answer is looked for when it is first asked for: most apps ask for one or two of them. */
export class ExchangeContext implements RequestContext {
  readonly #owner: Owner;
  #ray: Ray | null | undefined;
  #clientIp: string | null | undefined;
  #controller: AbortController | undefined;
  #aborted: RayguardError | undefined;

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  get ray(): Ray | null {
    if (this.#ray === undefined) this.#ray = parseRay(this.#owner.request?.headers["cf-ray"]);
    return this.#ray;
  }

  get clientIp(): string | null {
    if (this.#clientIp === undefined) this.#clientIp = clientIpOf(this.#owner);
    return this.#clientIp;
  }

  get verified(): boolean {
    return callerOf(this.#owner).verified;
  }

  get country(): string | null {
    return countryOf(this.#owner);
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted);
    }
    return this.#controller.signal;
  }

  deadline(ms: number | false): void {
    const checked = checkDeadline(ms);
    this.#owner.settings = { ...this.#owner.settings, firstByteDeadlineMs: checked, idleDeadlineMs: checked };
    this.#owner.supervisor.watch(this.#owner as never);
  }

  /** Aborts `signal`; static, since the app holds the context and is not to do it. */
  static abort(context: ExchangeContext, reason: RayguardError): void {
    if (context.#aborted !== undefined) return;
    context.#aborted = reason;
    context.#controller?.abort(reason);
  }
}

declare module "node:http" {
  interface IncomingMessage {
    /** What the guard knows of this request. There once a guard has seen it: behind its listener, middleware or hook. */
    rayguard?: RequestContext;
  }
}
