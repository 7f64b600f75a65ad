import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { contained } from "../../containment.js";
import { overrideOwn } from "../../override-method.js";
import { withList } from "../connection/connection-lists.js";
import { connectionOf } from "../methods/connection-of.js";
import { type Arriving, guardedClass, guardPrototypes } from "../methods/prototypes.js";
import { classSlot, type NodeResponse } from "../node/node-internals.js";
import { connectionEvents } from "./connection-events.js";
import { requestsOf } from "./requests.js";
import type { Http1Server, ServerGuard } from "./server-guard.js";
import { hearsUpgrades } from "./upgrades.js";

/**
 * Overrides `emit` of a server, and the classes of which it makes requests and responses.
 * @param listening - told when it has something to listen with
 */
export function interceptServer(server: Http1Server, guard: ServerGuard, listening?: () => void): () => void {
  const below = server.emit;
  const arriving: Arriving = { exchange: null };
  const emitRequest = requestsOf(server, below, guard, arriving);
  const responses = interceptResponses(server, guard, arriving);
  const events = connectionEvents(server, below, guard);
  const guardSocket = contained(guard.witness, (socket: Socket) => {
    // A tunnel, once it was the app's alone, may come back.
    connectionOf(socket).released = false;
  });

  function emit(this: Http1Server, event: string | symbol, a?: unknown, b?: unknown): boolean {
    switch (event) {
      case "request":
      case "checkContinue":
      case "checkExpectation":
        return emitRequest(event, a as IncomingMessage, b as NodeResponse);
      case "connection":
        // Before any listener of the app can reach the socket. Over TLS it is `secureConnection` that hands it over.
        if (!("setSecureContext" in server)) guardSocket(a as Socket);
        guard.overload?.connected();
        // biome-ignore lint/complexity/noArguments: forwarded as it came
        return withList(server, a, () => Reflect.apply(below, server, arguments) as boolean);
      case "secureConnection":
        guardSocket(a as Socket);
        // biome-ignore lint/complexity/noArguments: forwarded as it came
        return withList(server, a, () => Reflect.apply(below, server, arguments) as boolean);
      case "listening":
        listening?.();
        break;
      default: {
        // biome-ignore lint/complexity/noArguments: the hot path above must not pay for a rest parameter
        const emitted = events.get(event)?.([...arguments].slice(1));
        if (emitted !== undefined) return emitted;
      }
    }
    // biome-ignore lint/complexity/noArguments: forwarded as it came
    return Reflect.apply(below, server, arguments) as boolean;
  }
  const undo = overrideOwn(server, "emit", emit);
  const undoCount = overrideOwn(server, "listenerCount", hearsUpgrades(server.listenerCount));

  return () => {
    undo();
    undoCount();
    responses();
  };
}

/** Has every response of a server known from its creation on: Node answers some requests that it tells nobody about. */
function interceptResponses(server: Http1Server, guard: ServerGuard, arriving: Arriving): () => void {
  guardPrototypes();
  const slot = classSlot(server, "ServerResponse");
  if (slot === undefined) return () => {};
  const slots = server as unknown as Record<symbol, new (...args: never[]) => object>;
  const base = slots[slot] as new (...args: never[]) => object;
  slots[slot] = guardedClass(base, guard, arriving);
  return () => {
    slots[slot] = base;
  };
}
