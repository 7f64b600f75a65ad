import { Socket } from "node:net";
import { constants } from "node:os";
import { nextTick } from "../clock.js";
import { contained } from "../containment.js";
import { overrideMethod } from "../override-method.js";
import type { ListenArguments } from "./listen-arguments.js";
import type { Address, KeptListener } from "./messages.js";

type Connect = (this: Socket, ...args: unknown[]) => Socket;

const EVERY_ADDRESS = new Set(["::", "0.0.0.0"]);
const LOOPBACK = /^(?:localhost|::1|(?:::ffff:)?127(?:\.\d+){3})$/;

/**
 * Ports that the keeper holds, and at which this process has not come to listen yet. To this process they look free, as
 * to any that has just been started: a program that takes another port where its own is in use finds that out by a connect,
 * or by a `listen()` of a plain server.
 */
export class PortsToCome {
  readonly #addresses = new Map<string, Address>();

  constructor(listeners: readonly KeptListener[]) {
    for (const { key, address } of listeners) if (typeof address === "object") this.#addresses.set(key, address);
    if (this.#addresses.size > 0) this.#refuseConnects();
  }

  /** This process listens there. */
  come(key: string): void {
    this.#addresses.delete(key);
  }

  /** Whether a server that is none of HTTP would find its port in use only since the keeper holds it. */
  has({ path, port }: ListenArguments): boolean {
    return path === undefined && [...this.#addresses.values()].some((held) => held.port === port);
  }

  #refuseConnects(): void {
    const prototype = Socket.prototype as unknown as { connect: Connect };
    const { connect: below } = prototype;
    const heldAt = (args: readonly unknown[]) => this.#heldAt(args);
    function connect(this: Socket, ...args: unknown[]): Socket {
      const held = heldAt(args);
      return held === undefined ? below.apply(this, args) : refuse(this, held);
    }
    overrideMethod(prototype, "connect", connect);
  }

  /** Where a connect would lead to the keeper, if it would. */
  #heldAt([first, second]: readonly unknown[]): Address | undefined {
    if (this.#addresses.size === 0) return undefined;
    // From `net.connect()` it comes as a list that holds the options.
    const options = (Array.isArray(first) ? first[0] : first) as unknown;
    const { port, host } =
      typeof options === "object" && options !== null
        ? (options as { port?: unknown; host?: unknown })
        : { port: options, host: second };
    const name = typeof host === "string" && host !== "" ? host : "localhost";
    for (const held of this.#addresses.values()) if (held.port === Number(port) && leadsTo(name, held)) return held;
    return undefined;
  }
}

function leadsTo(host: string, { address }: Address): boolean {
  const isOwn = LOOPBACK.test(host) || EVERY_ADDRESS.has(host);
  return host === address || (isOwn && (EVERY_ADDRESS.has(address) || LOOPBACK.test(address)));
}

/** As by the kernel, where nobody listens. */
function refuse(socket: Socket, { address: held, port }: Address): Socket {
  const address = EVERY_ADDRESS.has(held) ? "127.0.0.1" : held;
  const code = "ECONNREFUSED";
  const told = { errno: -constants.errno[code], code, syscall: "connect", address, port };
  const error = Object.assign(new Error(`connect ${code} ${address}:${port}`), told);
  nextTick(contained(undefined, () => void socket.destroy(error)));
  return socket;
}
