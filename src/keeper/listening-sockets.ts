import { createServer, type Server, type Socket } from "node:net";
import { contained } from "../containment.js";
import type { Address, KeptListener, ListenFailure } from "../kept/messages.js";
import { keeperWitness } from "./keeper-log.js";

interface Listening extends KeptListener {
  readonly server: Server;
}

/** The sockets on which the program listens, which outlive its processes. */
export class ListeningSockets {
  readonly #open = new Map<string, Listening>();

  constructor(private readonly connected: (socket: Socket, key: string) => void) {}

  get all(): readonly KeptListener[] {
    return [...this.#open.values()].map(({ key, address }) => ({
      key,
      address,
    }));
  }

  has(key: string): boolean {
    return this.#open.has(key);
  }

  /** Takes over a socket that a worker listens with. */
  adopt(key: string, address: string | Address, server: Server): void {
    this.#open.get(key)?.server.close();
    this.#add(key, address, server);
  }

  /**
   * Listens.
   * @param umask - of the program, which says who may connect to a Unix socket
   * @returns what has gone wrong, if anything
   */
  async listen(
    key: string,
    where: object,
    umask = process.umask(),
  ): Promise<string | Address | { error: ListenFailure }> {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
    try {
      await new Promise<void>((resolve, reject) => {
        const fail = contained(keeperWitness, reject);
        server.once("error", fail);
        const own = process.umask(umask);
        server.listen(where, resolve);
        process.umask(own);
      });
    } catch (error) {
      const { message, code, errno, syscall, address, port } = error as NodeJS.ErrnoException & Partial<Address>;
      return { error: { message, code, errno, syscall, address, port } };
    }
    const address = server.address() as string | Address;
    this.#add(key, address, server);
    return address;
  }

  #add(key: string, address: string | Address, server: Server): void {
    // Nothing is read here: what a client sends is for a worker.
    (server as { pauseOnConnect?: boolean }).pauseOnConnect = true;
    (server as { allowHalfOpen?: boolean }).allowHalfOpen = true;
    const connected = contained(keeperWitness, (socket: Socket) => this.connected(socket, key));
    server.on("connection", connected);
    server.on("error", () => undefined); // out of descriptors: those who wait are served when there are some
    this.#open.set(key, { key, address, server });
  }

  close(key: string): void {
    const listening = this.#open.get(key);
    if (listening === undefined) return;
    this.#open.delete(key);
    listening.server.close();
  }

  closeAll(): void {
    for (const key of [...this.#open.keys()]) this.close(key);
  }
}
