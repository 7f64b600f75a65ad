import { nextTick } from "../../clock.js";
import type { NodeSocket, WriteCallback } from "../node/node-internals.js";
import { isDestroyed, isWritable } from "./gone-socket.js";

type Shown = "writableLength" | "writableNeedDrain";

/**
 * Octets that an app has written to a socket before their turn. To the app they wait in the socket, as behind a recipient
 * that takes nothing: else nothing would hold back what it has to say.
 */
export class KeptOctets {
  #octets = 0;
  #isFull = false;
  #callbacks: WriteCallback[] = [];

  constructor(private readonly socket: NodeSocket) {
    Object.defineProperties(socket, {
      writableLength: { get: () => this.#length, configurable: true },
      writableNeedDrain: { get: () => this.#isFull || below(socket, "writableNeedDrain"), configurable: true },
    });
  }

  get #length(): number {
    return (below(this.socket, "writableLength") as number) + this.#octets;
  }

  /** @returns what `write()` returns */
  add(octets: number, callback: WriteCallback): boolean {
    this.#octets += octets;
    if (typeof callback === "function") this.#callbacks.push(callback);
    this.#isFull ||= this.#length >= this.socket.writableHighWaterMark;
    return !this.#isFull;
  }

  /** They have gone to the socket, or are lost with it. */
  release(error: Error | null): void {
    const socket = this.socket;
    for (const name of ["writableLength", "writableNeedDrain"] satisfies Shown[]) Reflect.deleteProperty(socket, name);
    for (const callback of this.#callbacks) nextTick(callback as NonNullable<WriteCallback>, error);
    // Where the socket is still full, it tells itself.
    if (this.#isFull && !isDestroyed(socket) && isWritable(socket) && !socket.writableNeedDrain)
      nextTick(() => socket.emit("drain"));
  }
}

function below(socket: NodeSocket, name: Shown): unknown {
  return Reflect.get(Object.getPrototypeOf(socket) as object, name, socket);
}
