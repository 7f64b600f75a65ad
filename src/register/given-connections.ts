import https from "node:https";
import net from "node:net";
import { contained } from "../containment.js";
import { Server } from "../node-http.js";
import { overrideMethod } from "../override-method.js";

interface Emitting {
  emit(event: string | symbol, ...args: unknown[]): boolean;
}

/** With these a server is given a connection that somebody else has accepted. */
const GIVES: ReadonlySet<string | symbol> = new Set(["connection", "secureConnection"]);

/**
 * Tells of every server that gets a connection, before the server has heard of it. One that never listens is given them by
 * hand, behind a listener that shares a port or a parent that shares connections out: `server.emit("connection", socket)`.
 * No channel of Node's tells of that, nor is there a request if the connection begins with an upgrade.
 */
export function onGivenConnections(found: (server: object) => void): void {
  const tell = contained(undefined, found);
  // All four kinds of servers inherit this one, but for those that somebody has given an `emit` of their own.
  const prototypes = [net.Server.prototype, Server.prototype, https.Server.prototype] as unknown as Emitting[];
  for (const prototype of prototypes) {
    if (prototype !== prototypes[0] && !Object.hasOwn(prototype, "emit")) continue;
    makeOverride(prototype, tell);
  }
}

function makeOverride(prototype: Emitting, tell: (server: object) => void): void {
  const below = prototype.emit;
  function emit(this: Emitting, event: string | symbol): boolean {
    if (GIVES.has(event)) {
      const before = this.emit;
      tell(this);
      // What is in front by now has to see the connection as well; whoever has called from further up has seen it.
      // biome-ignore lint/complexity/noArguments: every event of a server must not pay for a rest parameter
      if (before === emit && this.emit !== emit) return Reflect.apply(this.emit, this, arguments) as boolean;
    }
    // biome-ignore lint/complexity/noArguments: forwarded as it came
    return Reflect.apply(below, this, arguments) as boolean;
  }
  overrideMethod(prototype, "emit", emit);
}
