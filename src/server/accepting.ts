import { contain } from "../containment.js";
import { Descriptors, type Shortage } from "../overload/descriptors.js";
import { MESSAGES } from "../report/log.js";
import { Excess, type ExcessGuard, type Handle, type LimitedServer } from "./excess.js";

/** What libuv tells of new connections. */
interface ListeningHandle {
  onconnection?: (this: ListeningHandle, error: number, client?: Handle) => void;
}

/** A server as Node's own code sees it when somebody connects. */
interface AcceptingServer extends LimitedServer {
  _handle?: ListeningHandle | null;
}

/** What is told once: both limits are the same for every connection. */
export interface AcceptingGuard extends ExcessGuard {
  /** False in report mode: Node drops what it drops. */
  readonly enforces: boolean;
  readonly supervisor: { warn(record: object, message: string): void };
}

let descriptors: Descriptors | undefined;

/**
 * Stands where a server learns of a connection, before there is a socket. What Node would drop there because it is over
 * `maxConnections`, and what would take the last descriptors of the process, is answered by the guard.
 *
 * Whether a connection is over the limit is left to Node, which tells the app (`drop`) and then closes the handle: the
 * limit may be set at any time, to anything, and versions of Node do not agree on what 0 means.
 */
export class Accepting {
  readonly #server: AcceptingServer;
  readonly #excess: Excess | undefined;
  readonly #guard: AcceptingGuard;
  readonly #told = new Set<string>();
  #handle: ListeningHandle | undefined;
  #undo: (() => void) | undefined;

  constructor(server: AcceptingServer, guard: AcceptingGuard) {
    this.#server = server;
    this.#excess = guard.enforces ? new Excess(server, guard) : undefined;
    this.#guard = guard;
    if (typeof server.maxConnections === "number") this.#tellLimit();
    this.listening();
  }

  /** The server may have a handle, or another one. */
  readonly listening = (): void => {
    const handle = this.#server._handle;
    if (handle === this.#handle || typeof handle?.onconnection !== "function") return;
    const native = handle.onconnection;
    descriptors ??= new Descriptors();
    const limits = descriptors;
    const accepting = this;
    function onconnection(this: ListeningHandle, error: number, client?: Handle): void {
      if (error === 0 && client !== undefined) {
        const shortage = limits.shortage(client.fd ?? -1);
        if (shortage !== undefined && accepting.#takeLast(client, shortage)) return;
        if (accepting.#isFull()) {
          accepting.#accept(handle as ListeningHandle, native, client);
          return;
        }
      }
      native.call(this, error, client);
    }
    handle.onconnection = onconnection;
    this.#handle = handle;
    this.#undo = () => {
      if (handle.onconnection === onconnection) handle.onconnection = native;
    };
  };

  undo(): void {
    this.#undo?.();
  }

  /** Has Node take a connection, or drop it: then it is ours. */
  #accept(handle: ListeningHandle, native: NonNullable<ListeningHandle["onconnection"]>, client: Handle): void {
    const { close } = client;
    let isDropped = false;
    client.close = (...args) => {
      // A socket closes its handle with a callback; only one that is dropped is closed without.
      if (args.length > 0) Reflect.apply(close, client, args);
      else isDropped = true;
    };
    try {
      native.call(handle, 0, client);
    } finally {
      delete (client as Partial<Handle>).close;
    }
    if (!isDropped) return;
    let isTaken = false;
    contain(this.#guard.witness, () => {
      this.#tellLimit();
      isTaken = this.#excess?.takeDropped(client) ?? false;
    });
    if (!isTaken) client.close();
  }

  /** @returns false where Node goes on with the connection */
  #takeLast(client: Handle, shortage: Shortage): boolean {
    const { open, limit } = shortage;
    let isTaken = false;
    contain(this.#guard.witness, () => {
      this.#tell({ open, limit }, MESSAGES.descriptors);
      isTaken = this.#excess?.takeLast(client, shortage) ?? false;
    });
    return isTaken;
  }

  #isFull(): boolean {
    const { maxConnections, _connections } = this.#server;
    return maxConnections !== undefined && maxConnections !== null && Number(_connections) >= maxConnections;
  }

  #tellLimit(): void {
    this.#tell({ maxConnections: this.#server.maxConnections }, MESSAGES.maxConnections);
  }

  #tell(record: object, message: string): void {
    if (this.#told.has(message)) return;
    this.#told.add(message);
    this.#guard.supervisor.warn(record, message);
  }
}
