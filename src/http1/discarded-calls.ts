import type { ServerResponse } from "node:http";
import { nextTick } from "../clock.js";
import { type Failure, lateWrite } from "../report/incidents.js";
import { writeAfterDestroy } from "./write-callbacks.js";

interface Discarding {
  readonly response: ServerResponse;
  late(failure: Failure): void;
}

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
    if (typeof (response as unknown as Record<string, unknown>)[name] !== "function") continue;
    define(name, function voided(this: ServerResponse) {
      note();
      return returnsItself ? this : undefined;
    });
  }
  define("write", function write(this: ServerResponse, _chunk: unknown, encoding: unknown, callback: unknown) {
    note();
    later(typeof encoding === "function" ? encoding : callback, this.destroyed ? writeAfterDestroy() : undefined);
    return false; // a source that heeds back pressure stops here, and at the `close` that follows
  });
  define("end", function end(this: ServerResponse, chunk: unknown, encoding: unknown, callback: unknown) {
    if (chunk !== undefined && chunk !== null && typeof chunk !== "function") note();
    later([chunk, encoding, callback].find((argument) => typeof argument === "function"));
    return this;
  });
  define("destroy", function destroy(this: ServerResponse) {
    return this;
  });
}

function later(callback: unknown, error?: Error): void {
  if (typeof callback === "function") nextTick(callback as (error?: Error) => void, error);
}
