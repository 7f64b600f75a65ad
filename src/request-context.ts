import type { IncomingMessage } from "node:http";
import { parseRay, type Ray } from "./cloudflare/ray.js";
import type { RayguardError } from "./errors.js";
import { checkDeadline } from "./option-checks.js";
import type { RouteSettings } from "./options.js";
import { type Asked, callerOf, clientIpOf, countryOf } from "./trust/caller.js";

interface Owner extends Asked {
  readonly request: IncomingMessage | null;
  settings: RouteSettings;
  readonly supervisor: { watch(exchange: never): void };
}

/** What the guard knows of a request: `req.rayguard`, and `request.rayguard` under Fastify. */
export class RequestContext {
  readonly #owner: Owner;
  #ray: Ray | null | undefined;
  #clientIp: string | null | undefined;
  #controller: AbortController | undefined;
  #aborted: RayguardError | undefined;

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  /** The Ray ID, or `null` where the request carries none that looks like one. */
  get ray(): Ray | null {
    if (this.#ray === undefined) this.#ray = parseRay(this.#owner.request?.headers["cf-ray"]);
    return this.#ray;
  }

  /**
   * Address of the client as the edge names it, where the edge has proved itself (option `trust`); else the outermost
   * address that is known for certain, usually that of the peer. Nothing a client sends can choose it.
   */
  get clientIp(): string | null {
    if (this.#clientIp === undefined) this.#clientIp = clientIpOf(this.#owner);
    return this.#clientIp;
  }

  /** Whether the request came through a hop that proved itself, which vouches for `clientIp`. */
  get verified(): boolean {
    return callerOf(this.#owner).verified;
  }

  /** CF-IPCountry of a verified request: two letters, `T1` for Tor, or `null`. */
  get country(): string | null {
    return countryOf(this.#owner);
  }

  /**
   * Aborts with a `RayguardError` when the deadline passes, the client goes away, the response is torn down or the process
   * drains: for a stream of events as soon as `lameDuckMs` is over, for any other request that still goes on a second later.
   */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted);
    }
    return this.#controller.signal;
  }

  /**
   * Sets both deadlines of this request, counted from now; `false` waits for ever.
   * @throws {RayguardError} `ERR_RAYGUARD_INVALID_ARGUMENT`
   */
  deadline(ms: number | false): void {
    const checked = checkDeadline(ms);
    this.#owner.settings = { ...this.#owner.settings, firstByteDeadlineMs: checked, idleDeadlineMs: checked };
    this.#owner.supervisor.watch(this.#owner as never);
  }

  /** @internal @param reason - or what makes it, where it may not be needed */
  abort(reason: RayguardError | (() => RayguardError)): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = typeof reason === "function" ? reason() : reason;
    this.#controller?.abort(this.#aborted);
  }
}
