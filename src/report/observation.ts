import { RayguardError } from "../errors.js";
import type { Exchange } from "../exchange/exchange.js";
import type { Incident } from "./incidents.js";

/** What somebody wants to know of one guard. The channels of `diagnostics_channel` carry every guard of the process. */
export interface Observer {
  /**
   * The running code is known to belong to the request: what the app keeps for each, such as a span, is active here.
   * Comes as often as that is noticed: in the middleware, hook or listener of the guard, when the app finishes the header
   * section, when it causes an incident. Never from a timer, which runs in the context of whoever has started it.
   */
  onCurrent?(exchange: Exchange): void;
  /** @param exchange - the request it concerns, where it is one of this process */
  onIncident?(incident: Incident, exchange?: Exchange): void;
  /** The fate of the request is known. */
  onSettled?(exchange: Exchange): void;
}

/** Where a guard takes observers. One symbol for every copy of the package. */
export const kObserve: unique symbol = Symbol.for("rayguard.observe") as never;

/** @returns what ends it */
export type Observe = (observer: Observer) => () => void;

/**
 * Subscribes to what happens in one guard, whatever entry made it.
 * @returns what ends the subscription
 * @throws {RayguardError} `ERR_RAYGUARD_INVALID_ARGUMENT`
 */
export function observe(guard: object, observer: Observer): () => void {
  const observed = guard as { readonly [kObserve]?: Observe } | null | undefined;
  if (observed?.[kObserve] === undefined) {
    throw new RayguardError(
      "ERR_RAYGUARD_INVALID_ARGUMENT",
      `Takes a guard: what createGuard() or rayguard() of rayguard/express returned, or app.rayguard under Fastify; got ${guard === null ? "null" : typeof guard}.`,
    );
  }
  return observed[kObserve](observer);
}

/** Those who observe a guard. One that fails must not take the response with it, nor the other observers. */
export class Observers {
  /** By subscription: the same observer may come twice. */
  readonly #observers = new Map<object, Observer>();

  /** @param failed - told of what an observer throws */
  constructor(private readonly failed: (error: unknown) => void) {}

  get size(): number {
    return this.#observers.size;
  }

  /** Whether an incident is worth describing to any of them. */
  get wantIncidents(): boolean {
    for (const observer of this.#observers.values()) if (observer.onIncident !== undefined) return true;
    return false;
  }

  /** @returns what removes it again */
  add(observer: Observer): () => void {
    const subscription = {};
    this.#observers.set(subscription, observer);
    return () => this.#observers.delete(subscription);
  }

  tell(act: (observer: Observer) => void): void {
    for (const observer of this.#observers.values()) {
      try {
        act(observer);
      } catch (error) {
        this.failed(error);
      }
    }
  }
}
