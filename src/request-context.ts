import type { IncomingMessage } from "node:http";
import { clientAddress, parseCountry } from "./cloudflare/client-address.js";
import { parseRay, type Ray } from "./cloudflare/ray.js";
import type { RayguardError } from "./errors.js";
import { checkDeadline } from "./option-checks.js";
import type { RouteSettings } from "./options.js";

interface Owner {
  readonly request: IncomingMessage | null;
  settings: RouteSettings;
  readonly peerAddress: string | undefined;
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

  /** CF-Connecting-IP where it is an address, else the address of the peer. See `verified`. */
  get clientIp(): string | null {
    if (this.#clientIp === undefined) {
      this.#clientIp = clientAddress(this.#owner.request, this.#owner.peerAddress);
    }
    return this.#clientIp;
  }

  /** Whether a hop that proved itself vouched for `clientIp`. This version checks no hop, so it never claims that. */
  get verified(): boolean {
    return false;
  }

  /** CF-IPCountry: two letters, `T1` for Tor, or `null`. */
  get country(): string | null {
    return this.#owner.request === null ? null : parseCountry(this.#owner.request.headers);
  }

  /** Aborts with a `RayguardError` when the deadline passes, the client goes away or the response is torn down. */
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

  /** @internal */
  abort(reason: RayguardError): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = reason;
    this.#controller?.abort(reason);
  }
}
