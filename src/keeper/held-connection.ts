import type { Socket } from "node:net";
import { machineMs } from "../clock.js";
import { contained } from "../containment.js";
import { keeperWitness } from "./keeper-log.js";

/** How long a client has to read its answer, in milliseconds. */
const LAST_READ_MS = 5_000;

let ids = 0;

/** The keeper's own descriptor of a connection. Nothing is read from it while a worker has it. */
export class HeldConnection {
  /** Numbers from 1 on, over again behind 4 294 967 295. */
  readonly id: number;
  /** When it came to be without a worker, in milliseconds of the machine's clock. */
  waitingSince = machineMs();

  constructor(
    readonly socket: Socket /** Where it was made to. */,
    readonly key: string,
  ) {
    ids = (ids % 0xffff_ffff) + 1;
    this.id = ids;
    socket.on("error", () => undefined); // a client that is gone is nobody's fault here
    // A socket that was accepted by a server is counted there, and told to the worker as such.
    (socket as { server?: unknown }).server = undefined;
  }

  get isOpen(): boolean {
    return !this.socket.destroyed;
  }

  close(reset = false): void {
    if (!this.isOpen) return;
    if (reset) this.socket.resetAndDestroy();
    else this.socket.destroy();
  }

  /** Sends a complete response, and ends the connection behind it. What the client still sends is read, and dropped. */
  answer(octets: Buffer): void {
    const { socket } = this;
    socket.end(octets);
    const ended = contained(keeperWitness, () => socket.destroySoon());
    socket.on("end", ended);
    socket.resume();
    const destroy = contained(keeperWitness, () => void socket.destroy());
    setTimeout(destroy, LAST_READ_MS).unref();
  }

  /** Ends it with FIN: what has been sent arrives. */
  end(): void {
    this.answer(Buffer.alloc(0));
  }
}
