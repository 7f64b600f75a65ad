import type { IncomingMessage } from "node:http";
import { RayguardError } from "../errors.js";
import { MESSAGES } from "../report/log.js";
import { shared } from "../shared.js";
import { WeakCollection } from "../weak-collection.js";
import { attachTo } from "./attach.js";
import { isAttached, isClosed, isRecognised, type SelfAttaching } from "./first-contact.js";
import { guardsOf, isServer } from "./recognise.js";
import { type ServersGuard, type Surroundings, surroundingsOf } from "./surroundings.js";

/** A guard as its attachments see it. */
export interface AttachingGuard extends ServersGuard, SelfAttaching {
  /** It has a server, or a part in one. */
  joins(): void;
  /** There is a server that it looks after itself. */
  watches(): void;
  /** Says of a request that an adapter was shown whether every other one comes there as well. */
  readonly seesAll: ((request: IncomingMessage) => boolean) | undefined;
}

/** Has a guard leave a server to another one. */
interface Yielding {
  /** Any other guard, not only one for the whole server. */
  readonly toAny: boolean;
  giveWay(): void;
}

/** Servers that a guard has taken for want of one that means it more. */
const yielding = shared("yielding", () => new WeakMap<object, Yielding>());

/** Whether the guard of a server gives way to any other. */
export function yieldsToAny(server: object): boolean {
  return yielding.get(server)?.toAny === true;
}

/** The servers that a guard is attached to, in whole or in part, and how one guard takes them over from another. */
export class Attachments {
  /** For as long as they live. */
  readonly servers = new WeakCollection<object>();
  readonly #detach = new WeakMap<object, () => void>();
  /** Servers of which it sees a part. */
  readonly #surroundings = new WeakMap<object, Surroundings>();

  constructor(private readonly guard: AttachingGuard) {}

  /**
   * Attaches to a server, once.
   * @param isWhole - all of it; else the options of the guard hold for requests that come to where it is mounted
   * @throws {RayguardError} `ERR_RAYGUARD_UNSUPPORTED_SERVER`
   */
  add(server: object, isWhole: boolean): void {
    if (!isServer(server)) {
      throw new RayguardError(
        "ERR_RAYGUARD_UNSUPPORTED_SERVER",
        `attach() takes a server of node:http, node:https or node:http2; got ${server === null ? "null" : typeof server}.`,
      );
    }
    const guard = this.guard;
    const guards = guardsOf(server);
    if (guards.has(guard)) {
      if (isWhole) this.#widen(server);
      return;
    }
    if (guard.state === "closed") return;
    guards.add(guard);
    this.servers.add(server);
    isAttached(guard);
    guard.joins();
    const held = yielding.get(server);
    if (held !== undefined && (isWhole || held.toAny)) held.giveWay();
    else if (guards.size > 1) {
      // The first guard does the work; this one takes part where it is mounted, with its own numbers.
      this.#detach.set(server, () => guards.delete(guard));
      return;
    }
    guard.watches();
    if (!isWhole) return this.#surround(server);
    const detach = attachTo(server, guard);
    this.#detach.set(server, () => {
      guards.delete(guard);
      detach();
    });
  }

  /**
   * The same for all of a server, until another guard attaches to it.
   * @param left - it has
   */
  addUntilAnother(server: object, left: () => void): void {
    this.add(server, true);
    const detach = this.#detach.get(server);
    if (detach === undefined) return;
    const leave = () => {
      if (yielding.get(server) === held) yielding.delete(server);
      detach();
    };
    const giveWay = () => {
      this.servers.delete(server);
      leave();
      left();
    };
    const held: Yielding = { toAny: true, giveWay };
    yielding.set(server, held);
    this.#detach.set(server, leave);
  }

  /** The same for one that nobody has attached, and that turns out to be the guard's. Throws nothing. */
  addFound(server: object, isWhole: boolean): void {
    if (this.guard.state !== "serving" || !("listening" in server)) return;
    try {
      this.add(server, isWhole);
    } catch (error) {
      this.guard.supervisor.warn({ err: error }, MESSAGES.attachFailed);
    }
  }

  /** The same at the first request that comes to the guard. */
  addAt(request: IncomingMessage, server: object | undefined): void {
    const guard = this.guard;
    if (server === undefined || guard.state !== "serving" || guardsOf(server).has(guard)) return;
    this.addFound(server, isRecognised(server, guard) || guard.seesAll?.(request) === true);
  }

  /** Leaves every server, and takes no more. */
  close(): void {
    isClosed(this.guard);
    for (const server of this.servers) {
      this.servers.delete(server);
      this.#detach.get(server)?.();
    }
  }

  /** Somebody attaches the guard to all of a server of which it has seen a part. */
  #widen(server: object): void {
    const surroundings = this.#surroundings.get(server);
    if (surroundings === undefined) return;
    surroundings.isWhole = true;
    yielding.delete(server);
  }

  /** Takes a server of which the guard sees a part, until there is one for all of it. */
  #surround(server: object): void {
    const surroundings = surroundingsOf(this.guard);
    const detach = attachTo(server, surroundings);
    const leave = () => guardsOf(server).delete(this.guard);
    const end = () => {
      if (yielding.get(server) === held) yielding.delete(server);
      this.#surroundings.delete(server);
      detach();
    };
    const giveWay = () => {
      this.#detach.set(server, leave);
      end();
    };
    const held: Yielding = { toAny: false, giveWay };
    yielding.set(server, held);
    this.#surroundings.set(server, surroundings);
    this.#detach.set(server, () => {
      leave();
      end();
    });
  }
}
