import type { IncomingMessage, ServerResponse } from "node:http";
import { nextTick, setImmediate } from "../../src/clock.js";
import { contained, type Exchange } from "../../src/internals.js";

type IsRefused = (name: unknown, value: unknown) => boolean;

/** What is refused of each error on its way to the final handler: an app may pass on several for one response. */
const underWay = new WeakMap<ServerResponse, IsRefused[]>();

/**
 * The final handler waits for the rest of the upload; where the app answers meanwhile, its calls must not throw there,
 * since nobody would catch that. Fields of the error that describe other content than its own are left out. It has had its
 * turn once the request has ended and is answered: from then on calls throw as ever.
 */
export function leaveUnattended(
  exchange: Exchange,
  request: IncomingMessage,
  response: ServerResponse,
  isRefused: IsRefused,
): void {
  const others = underWay.get(response);
  if (others !== undefined) return void others.push(isRefused);
  const refusals = [isRefused];
  underWay.set(response, refusals);
  const undo = [() => void underWay.delete(response)];
  for (const name of ["setHeader", "removeHeader"] as const) {
    const below = response[name] as (...args: unknown[]) => unknown;
    const value = function (this: ServerResponse, ...args: unknown[]) {
      if (undo.length === 0) return below.apply(this, args);
      const isRefusedNow = name === "setHeader" && refusals.some((refuses) => refuses(args[0], args[1]));
      return this.headersSent || isRefusedNow ? this : below.apply(this, args);
    };
    const own = Object.getOwnPropertyDescriptor(response, name);
    Object.defineProperty(response, name, { value, configurable: true, writable: true });
    undo.push(() => {
      if (response[name] !== value) return;
      if (own !== undefined) Object.defineProperty(response, name, own);
      else Reflect.deleteProperty(response, name);
    });
  }
  exchange.unattended++;
  undo.push(() => {
    exchange.unattended--;
  });
  const attend = contained(exchange.supervisor, () => {
    for (const each of undo.splice(0)) each();
  });
  const answered = contained(exchange.supervisor, () => {
    if (response.writableEnded) attend();
  });
  const ended = contained(exchange.supervisor, () => nextTick(answered));
  request.once("end", ended);
  // Where the end of the request found no answer, or never came.
  let open = request.closed ? 1 : 2;
  const closed = contained(exchange.supervisor, () => {
    if (--open === 0) setImmediate(attend);
  });
  request.once("close", closed);
  response.once("close", closed);
}
