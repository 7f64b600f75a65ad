import { contained } from "./containment.js";

/**
 * Objects that somebody else keeps: a server, say, lives for as long as it listens or the app holds it. A test that opens
 * one for each request must not find them all here at the end.
 */
export class WeakCollection<T extends object> {
  readonly #members = new Set<WeakRef<T>>();
  readonly #refs = new WeakMap<T, WeakRef<T>>();
  readonly #registry: FinalizationRegistry<WeakRef<T>>;

  /** @param onCollected - told when one has been collected, and is no member any more */
  constructor(onCollected: () => void = () => {}) {
    const forget = (ref: WeakRef<T>) => {
      if (this.#members.delete(ref)) onCollected();
    };
    this.#registry = new FinalizationRegistry(contained(undefined, forget));
  }

  /** Adds an object, once. */
  add(member: T): void {
    if (this.#refs.has(member)) return;
    const ref = new WeakRef(member);
    this.#refs.set(member, ref);
    this.#members.add(ref);
    this.#registry.register(member, ref, ref);
  }

  delete(member: T): void {
    const ref = this.#refs.get(member);
    if (ref === undefined) return;
    this.#refs.delete(member);
    this.#members.delete(ref);
    this.#registry.unregister(ref);
  }

  has(member: T): boolean {
    return this.#refs.has(member);
  }

  get isEmpty(): boolean {
    for (const _member of this) return false;
    return true;
  }

  *[Symbol.iterator](): Generator<T> {
    for (const ref of this.#members) {
      const member = ref.deref();
      if (member !== undefined) yield member;
    }
  }
}
