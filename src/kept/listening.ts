import { subscribe } from "node:diagnostics_channel";
import { isIPv4, Server } from "node:net";
import { isAbsolute, resolve } from "node:path";
import { contained } from "../containment.js";
import { SERVER_LISTENS } from "../server/first-contact.js";
import { guardsOf, isServer } from "../server/recognise.js";
import { workingDirectory } from "../working-directory.js";
import type { Channel } from "./channel.js";
import { type ListenArguments, readListenArguments } from "./listen-arguments.js";
import { Listener } from "./listener.js";
import { beginWith, type ListeningServer, listenWith } from "./listening-server.js";
import type { Address, KeptListener, ListenFailure } from "./messages.js";
import { PortsToCome } from "./ports-to-come.js";

type Listen = (this: Server, ...args: unknown[]) => Server;

/** What `listen()` was asked for. */
interface Asked extends ListenArguments {
  /** Tells its listening socket from the others of the program. */
  readonly key: string;
  /** Path of a Unix socket as the keeper finds it, which does not go where the program goes. */
  readonly absolute: string;
}

/** A server whose listening socket is still its own, and which Node's own `listen()` has been called for. */
const asked = new WeakMap<object, Asked>();

const anyPort = /^any port/;

/**
 * Has the servers of this program that are guarded listen with sockets of the keeper's. Whatever listens first does so by
 * Node's own means, with the errors and the address of Node, and then gives its socket away; a later worker finds it there.
 */
export class Listening {
  readonly #channel: Channel;
  readonly #known = new Map<string, string | Address>();
  /** Servers that listen, by key. */
  readonly #open = new Map<string, Listener>();
  readonly #waiting = new Map<string, { server: ListeningServer; asked: Asked }>();
  /** Sockets that are on their way to the keeper. */
  readonly #given = new Map<string, { close(): void }>();
  /** Listeners whose socket the keeper is closing, or has closed, while they go on; told when it has. */
  readonly #ending = new Map<Listener, () => void>();
  /** Servers that are closed once the keeper has closed their socket. */
  readonly #closing = new Map<string, ListeningServer>();
  /** Held open by servers that are none of HTTP, in place of a port that is still to come. */
  readonly #probes = new Set<Listener>();
  readonly #toCome: PortsToCome;
  /** Where the keeper is. */
  readonly #home = workingDirectory();
  #anyPorts = 0;

  constructor(channel: Channel, known: readonly KeptListener[]) {
    this.#channel = channel;
    for (const { key, address } of known) this.#known.set(key, address);
    this.#toCome = new PortsToCome(known);
    const listening = this;
    const listen = Server.prototype.listen as Listen;
    // Called for each server, whatever has made it.
    Server.prototype.listen = function (this: ListeningServer, ...args: unknown[]): Server {
      return listening.#listen(this, listen, args);
    } as typeof Server.prototype.listen;
    const listens = contained(undefined, (message: unknown) =>
      this.#take((message as { server: ListeningServer }).server),
    );
    subscribe(SERVER_LISTENS, listens);
  }

  /** Where a connection is to go that was made to `key`. */
  at(key: string): Listener | undefined {
    return this.#open.get(key);
  }

  #listen(server: ListeningServer, native: Listen, args: unknown[]): Server {
    if (!isServer(server)) return this.#probe(server, args) ?? native.apply(server, args);
    const found = server._handle ? undefined : this.#read(args);
    if (found === undefined) return native.apply(server, args);
    asked.set(server, found);
    this.#toCome.come(found.key);
    const address = this.#known.get(found.key);
    if (address === undefined && found.path === undefined) return native.apply(server, args);
    beginWith(server, found, args);
    if (address !== undefined) {
      this.#channel.tell({ rayguard: "listens", key: found.key, address });
      this.#open_(server, found, address);
    } else {
      // The keeper makes the socket of a path, which goes when the one who made it closes it.
      this.#waiting.set(found.key, { server, asked: found });
      this.#channel.ref();
      const { key, absolute: path, options } = found;
      this.#channel.tell({ rayguard: "listen", key, path, umask: process.umask(), options: plain(options) });
    }
    return server;
  }

  /** Has a server that is none of HTTP find a port free that the keeper holds for this process. */
  #probe(server: ListeningServer, args: unknown[]): Server | undefined {
    const found = server._handle ? undefined : readListenArguments(args);
    if (found === undefined || !this.#toCome.has(found)) return undefined;
    beginWith(server, found, args);
    const { port, host = "::" } = found;
    const address = { address: host, family: isIPv4(host) ? "IPv4" : "IPv6", port };
    const probe = new Listener("", address, {
      closed: () => this.#probes.delete(probe),
      referenced: () => this.#reference(),
    });
    this.#probes.add(probe);
    this.#reference();
    listenWith(server, probe, found, address);
    return server;
  }

  /** What a call of `listen()` asks for; undefined where that is not for the keeper. */
  #read(args: readonly unknown[]): Asked | undefined {
    const read = readListenArguments(args);
    if (read === undefined) return undefined;
    const { path, port, host = "*" } = read;
    const absolute = path === undefined ? "" : this.#absolute(path);
    const place = absolute || `${port === 0 ? `any port ${this.#anyPorts++}` : port} at ${host}`;
    // Of a second server at the same place Node, or the keeper, says that its address is in use.
    let key = place;
    for (let n = 1; this.#open.has(key) || this.#waiting.has(key); n++) key = `${place}, again ${n}`;
    return { ...read, absolute, key };
  }

  /** One of Linux that is no file begins with NUL. */
  #absolute(path: string): string {
    const isHere = isAbsolute(path) || path.startsWith("\0") || workingDirectory() === this.#home;
    return isHere ? path : resolve(path);
  }

  /** A server listens by Node's own means. */
  #take(server: ListeningServer): void {
    const handle = server._handle;
    if (handle === null || handle instanceof Listener) return;
    const found = asked.get(server);
    if (found === undefined || guardsOf(server).size === 0) {
      this.#channel.tell({ rayguard: "on its own" });
      return;
    }
    asked.delete(server);
    const address = server.address() as Address;
    const { key } = found;
    // Whoever sends a server sends the handle it has then.
    const holder = new Server();
    (holder as ListeningServer)._handle = handle;
    this.#known.set(key, address);
    this.#given.set(key, handle as { close(): void });
    this.#channel.tell({ rayguard: "listens", key, address }, holder);
    const listener = this.#listener(server, key, address);
    for (const symbol of Object.getOwnPropertySymbols(handle))
      if (symbol.description === "owner_symbol") Reflect.set(listener, symbol, server);
    listener.onconnection = (handle as Listener).onconnection;
    server._handle = listener;
  }

  #open_(server: ListeningServer, asked: Asked, found: string | Address): void {
    const address = asked.path ?? found;
    listenWith(server, this.#listener(server, asked.key, address), asked, address);
  }

  #listener(server: ListeningServer, key: string, address: string | Address): Listener {
    const listener = new Listener(key, address, {
      closed: () => this.#close(server, listener),
      referenced: () => this.#reference(),
      ending: () => this.#end(listener),
    });
    this.#open.set(key, listener);
    this.#reference();
    return listener;
  }

  /** The process lives while something listens, or is about to. */
  #reference(): void {
    if (
      this.#waiting.size > 0 ||
      this.#closing.size > 0 ||
      [...this.#open.values(), ...this.#probes].some((each) => each.hasRef())
    )
      this.#channel.ref();
    else this.#channel.unref();
  }

  #end(listener: Listener): Promise<void> {
    this.#channel.tell({ rayguard: "close", key: listener.key, takesLast: true });
    return new Promise((resolve) => {
      this.#ending.set(listener, resolve);
    });
  }

  #close(server: ListeningServer, listener: Listener): void {
    if (this.#open.get(listener.key) === listener) this.#open.delete(listener.key);
    if (this.#ending.delete(listener)) return;
    // `close` is emitted when the port is free, as ever.
    server._connections++;
    this.#closing.set(listener.key, server);
    this.#channel.tell({ rayguard: "close", key: listener.key, takesLast: false });
  }

  // -- what the keeper says ------------------------------------------------------------------------------------------

  /** The keeper has the socket. */
  given(key: string, address: string | Address): void {
    this.#given.get(key)?.close();
    this.#given.delete(key);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    this.#waiting.delete(key);
    this.#known.set(key, address);
    this.#open_(waiting.server, waiting.asked, address);
  }

  failed(key: string, { message, ...rest }: ListenFailure): void {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    this.#waiting.delete(key);
    this.#reference();
    const { path: address = "", absolute } = waiting.asked;
    const error = Object.assign(new Error(message.replace(absolute, address)), rest, { address });
    waiting.server.emit("error", error);
  }

  closed(key: string): void {
    const server = this.#closing.get(key);
    const open = this.#open.get(key);
    const ended = open && this.#ending.get(open);
    if ((open === undefined || ended !== undefined) && !anyPort.test(key)) this.#known.delete(key);
    ended?.();
    this.#closing.delete(key);
    this.#reference();
    if (server === undefined) return;
    server._connections--;
    server._emitCloseIfDrained();
  }
}

/** What goes through the pipe of the options for a Unix socket. */
function plain(options: Record<string, unknown> = {}): object {
  const { backlog, readableAll, writableAll } = options;
  return { backlog, readableAll, writableAll };
}
