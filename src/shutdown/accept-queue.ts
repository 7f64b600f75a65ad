import { closeSync, openSync, readlinkSync, readSync } from "node:fs";

interface Listener {
  readonly _handle?: { readonly fd?: number } | null;
  /** Family, address and port of a socket that this process has opened itself. */
  readonly _connectionKey?: string;
}

const LISTEN = "0A";

/** Where Linux lists the sockets of this process's network, listeners first. */
const TABLES = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];

/** Linux gives a page at a time, that is 27 lines, whatever is asked for. In octets. */
const CHUNK_OCTETS = 16_384;

/** The connections of a listener that the system has accepted and the process has not. */
export class AcceptQueue {
  readonly #chunk = Buffer.allocUnsafe(CHUNK_OCTETS);

  private constructor(
    private readonly inode: string,
    private readonly table: string,
  ) {}

  /**
   * The queue of a server; undefined where the system does not tell, and where closing the listener closes no queue: the
   * socket came from another process, which has it still.
   * @param isAlone - no other process has it
   */
  static of({ _handle, _connectionKey = "" }: Listener, isAlone: boolean): AcceptQueue | undefined {
    const fd = _handle?.fd;
    if (process.platform !== "linux" || fd === undefined || fd < 0) return undefined;
    const cluster = process.getBuiltinModule("node:cluster") as unknown as { readonly isWorker: boolean };
    if (!isAlone && (cluster.isWorker || !/^[46]:/.test(_connectionKey))) return undefined;
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
      if (inode === undefined) return undefined;
      const queues = TABLES.map((table) => new AcceptQueue(inode, table));
      return queues.find((queue) => queue.length() !== undefined);
    } catch {
      return undefined;
    }
  }

  /** How many connections wait; undefined where the system no longer lists it. */
  length(): number | undefined {
    let fd: number | undefined;
    try {
      fd = openSync(this.table, "r");
      let rest = "";
      for (let isFirst = true; ; isFirst = false) {
        const octets = readSync(fd, this.#chunk, 0, CHUNK_OCTETS, null);
        if (octets === 0) return undefined;
        const lines = `${rest}${this.#chunk.toString("latin1", 0, octets)}`.split("\n");
        rest = lines.pop() as string;
        for (const line of isFirst ? lines.slice(1) : lines) {
          // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
          const [, , , state, queues, , , , , inode] = line.trim().split(/ +/);
          if (state !== LISTEN) return undefined;
          if (inode === this.inode) return Number.parseInt((queues as string).split(":")[1] as string, 16);
        }
      }
    } catch {
      // no such file: another system, or a container that hides it
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
    return undefined;
  }
}
