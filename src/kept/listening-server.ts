import type { Server } from "node:net";
import { nextTick } from "../clock.js";
import { contained } from "../containment.js";
import type { ListenArguments } from "./listen-arguments.js";
import type { Listener } from "./listener.js";
import type { Address } from "./messages.js";

/** A server as Node's own code sees it. */
export interface ListeningServer extends Server {
  _handle: object | null;
  _pipeName?: string;
  _connections: number;
  _emitCloseIfDrained(): void;
  /** Has a server listen with the handle it has. */
  _listen2(address: string | null, port: number, type: number, backlog: number, fd: undefined, flags: number): void;
}

/** Has a server listen with a handle, as its own `listen()` does. */
export function listenWith(
  server: ListeningServer,
  handle: Listener,
  { backlog }: ListenArguments,
  address: string | Address,
): void {
  server._handle = handle;
  if (typeof address === "string") {
    server._pipeName = address;
    server._listen2(address, -1, -1, backlog, undefined, 0);
  } else {
    const type = address.family === "IPv6" ? 6 : 4;
    server._listen2(address.address, address.port, type, backlog, undefined, 0);
  }
}

/** Heeds the callback and the option `signal` of a call of `listen()`. */
export function beginWith(server: Server, { options }: ListenArguments, args: readonly unknown[]): void {
  const callback = args.at(-1);
  if (typeof callback === "function") server.once("listening", callback as () => void);
  const { signal } = (options ?? {}) as { signal?: AbortSignal };
  if (signal === undefined) return;
  const close = contained(undefined, () => void server.close());
  if (signal.aborted) nextTick(close);
  else {
    signal.addEventListener("abort", close, { once: true });
    const forget = contained(undefined, () => signal.removeEventListener("abort", close));
    server.once("close", forget);
  }
}
