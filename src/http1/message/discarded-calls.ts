import type { ServerResponse } from "node:http";
import { types } from "node:util";
import { nextTick } from "../../clock.js";
import { OutgoingMessage } from "../../node-http.js";
import { type Failure, lateWrite } from "../../report/incidents.js";
import type { NodeResponse, NodeSocket } from "../node/node-internals.js";
import { writeAfterDestroy } from "./write-callbacks.js";

interface Discarding {
  readonly response: NodeResponse;
  readonly goneBy: "client" | "app" | null;
  reopened: boolean;
  late(failure: Failure): void;
}

/** Whether Node takes a response for finished that has ended without a connection: from some version on, only what has left. */
const FINISHES_UNSENT = Object.assign(new OutgoingMessage(), { finished: true }).writableFinished;

type Method = (...args: unknown[]) => unknown;

/** Methods of the header section, and whether Node returns the response from them. */
const METHODS = {
  setHeader: true,
  setHeaders: true,
  appendHeader: true,
  removeHeader: false,
  writeHead: true,
  writeHeader: true,
  flushHeaders: false,
  addTrailers: false,
  writeContinue: false,
  writeProcessing: false,
  writeEarlyHints: false,
  writeInformation: false,
} as const;

/** Those that Node carries out where nobody is left to get it: an app finds its header section as it has made it. */
const KEPT = new Set([
  "setHeader",
  "setHeaders",
  "appendHeader",
  "removeHeader",
  "writeHead",
  "writeHeader",
  "flushHeaders",
]);

/**
 * Makes everything the app still does to a response void. Its late calls would throw from timers and callbacks
 * where nobody catches, and take the process with them; the response they mean is already decided.
 */
export function discardCalls(exchange: Discarding): void {
  const { response } = exchange;
  const note = () => exchange.late(lateWrite(0));
  const define = (name: string, value: unknown) =>
    Reflect.defineProperty(response, name, { value, configurable: true, writable: true, enumerable: false });
  for (const [name, returnsItself] of Object.entries(METHODS)) {
    const below = (response as unknown as Record<string, Method>)[name];
    if (typeof below !== "function") continue;
    define(name, function voided(this: NodeResponse, ...args: unknown[]) {
      note();
      try {
        if (KEPT.has(name) && exchange.goneBy !== null && this._header === null)
          return unheard(exchange, () => below.apply(this, args));
      } catch {
        // a name or a value that Node refuses
      }
      return returnsItself ? this : undefined;
    });
  }
  const { end: below } = response;
  define("write", function write(this: ServerResponse, _chunk: unknown, encoding: unknown, callback: unknown) {
    note();
    later(typeof encoding === "function" ? encoding : callback, this.destroyed ? writeAfterDestroy() : undefined);
    return false; // a source that heeds back pressure stops here, and at the `close` that follows
  });
  define("end", function end(this: NodeResponse, chunk: unknown, encoding: unknown, callback: unknown) {
    if (chunk !== undefined && chunk !== null && typeof chunk !== "function") note();
    if (exchange.goneBy !== null && !this.finished) {
      Reflect.defineProperty(this, "writableFinished", { value: FINISHES_UNSENT, configurable: true });
      const { socket } = this;
      const isAttached = (socket as NodeSocket | null)?._httpMessage === this;
      // Nobody is called back for what never leaves, and what is no content would throw.
      const isContent = typeof chunk === "string" || types.isUint8Array(chunk);
      const given = isContent ? [chunk, Buffer.isEncoding(encoding as string) ? encoding : undefined] : [];
      const ended = unheard(exchange, () => (below as Method).apply(this, given));
      // What has been sent in its place is out, and Node has turned to what follows.
      if (socket !== null && !isAttached) unheard(exchange, () => this.emit("prefinish"));
      return ended;
    }
    later([chunk, encoding, callback].find((argument) => typeof argument === "function"));
    return this;
  });
  define("destroy", function destroy(this: ServerResponse) {
    return this;
  });
}

/** Calls a method of a response that has ended with its connection, in the app's view: Node's own, and nothing goes out. */
function unheard<T>(exchange: Discarding, call: () => T): T {
  const was = exchange.reopened;
  exchange.reopened = true;
  try {
    return call();
  } finally {
    exchange.reopened = was;
  }
}

function later(callback: unknown, error?: Error): void {
  if (typeof callback === "function") nextTick(callback as (error?: Error) => void, error);
}
