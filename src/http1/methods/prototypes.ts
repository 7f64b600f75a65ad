import { tellFailure, type Witness } from "../../containment.js";
import { IncomingMessage, OutgoingMessage, ServerResponse } from "../../node-http.js";
import { overrideMethod } from "../../override-method.js";
import { shared } from "../../shared.js";
import { anyExchangeOf } from "../connection/http1-exchange-of.js";
import type { Http1Exchange } from "../exchange/http1-exchange.js";
import { type NativeMethods, RESPONSE_METHODS, type ResponseMethod } from "../node/native-methods.js";
import type { NodeResponse } from "../node/node-internals.js";
import { createOverrides, exchangeOfReceiver, type Overrides } from "./overrides.js";
import { guardRequestPrototype } from "./request.js";

/**
 * The methods of every response stand on the prototype of `node:http` itself, put there once for the process. Any other
 * place shows: a class of the guard's own in the constructor and the prototype of each request, methods of its own among
 * the keys of each response. Requests and responses that no guard has seen pass straight through.
 */
const createAll = () => createOverrides(ServerResponse.prototype as unknown as NativeMethods);

type Methods = Record<string, unknown>;

const RESPONSES = ServerResponse.prototype as unknown as Methods;

/** Methods as they are before any guard is made. */
const FIRST: Methods = Object.fromEntries(RESPONSE_METHODS.map((name) => [name, RESPONSES[name]]));

let overrides: Overrides | undefined;

/**
 * Puts the guard in front of the methods of every request and response, again where somebody has put back what was there.
 * @returns the methods with those below
 */
export function guardPrototypes(): Overrides {
  overrides ??= startOverrides();
  for (const [name, method] of Object.entries(overrides.methods)) putBack(overrides, name as ResponseMethod, method);
  return overrides;
}

function startOverrides(): Overrides {
  const started = shared("layer", createAll);
  shared("writableLength", countHeld);
  shared("requests", () => {
    guardRequestPrototype(IncomingMessage.prototype);
    return true;
  });
  return started;
}

function putBack({ native }: Overrides, name: ResponseMethod, method: unknown): void {
  const present = RESPONSES[name];
  if (present === method) return;
  if (Object.hasOwn(RESPONSES, name)) {
    if (present !== native[name] && present !== FIRST[name]) return;
    (native as unknown as Methods)[name] = present;
  }
  overrideMethod(RESPONSES, name, method);
}

/** Content that is held back counts as written, for an app that goes by what the recipient has not taken yet. */
function countHeld(): boolean {
  const below = Object.getOwnPropertyDescriptor(OutgoingMessage.prototype, "writableLength")?.get;
  if (below === undefined) return false;
  Object.defineProperty(ServerResponse.prototype, "writableLength", {
    get(this: NodeResponse): number {
      const exchange = anyExchangeOf(this) as { held?: readonly unknown[] | null; shownLength: number } | undefined;
      if (!exchange?.held?.length) return below.call(this) as number;
      // Node 26 adds the header section to what waits for the end of the tick, until that is sent; it is among what is held.
      const { _headerSent } = this;
      this._headerSent = true;
      const length = below.call(this) as number;
      this._headerSent = _headerSent;
      return length + exchange.shownLength;
    },
    configurable: true,
    enumerable: false,
  });
  return true;
}

/** The prototype that was followed last: most responses of an app have the same. */
export let covered: object = ServerResponse.prototype;
const visited = new WeakSet<object>();

/**
 * Follows a response to the prototypes its app has put it on, as Express does. Methods that somebody has wrapped there
 * may be older than the guard's, and call what was below them: they get the guard in front of them as well.
 */
export function coverPrototypes(prototype: object): void {
  if (prototype === covered) return;
  covered = prototype;
  // One of another protocol has other parents: in front of theirs the guard would stand in front of every emitter there is.
  if (!Object.prototype.isPrototypeOf.call(ServerResponse.prototype, prototype)) return;
  for (let at: object | null = prototype; at !== ServerResponse.prototype; at = Object.getPrototypeOf(at)) {
    if (at === null || visited.has(at)) return;
    visited.add(at);
    cover(at);
  }
}

function cover(prototype: object): void {
  const names = (Object.keys(guardPrototypes().methods) as ResponseMethod[]).filter(
    (name) => Object.hasOwn(prototype, name) && typeof (prototype as NativeMethods)[name] === "function",
  );
  if (names.length === 0) return;
  const below = Object.create(prototype) as Record<string, unknown>;
  for (const name of names) below[name] = seen(name, (prototype as Record<string, unknown>)[name] as Method);
  const { methods } = createOverrides(below as unknown as NativeMethods);
  for (const name of names) overrideMethod(prototype, name, methods[name]);
}

type Method = (...args: unknown[]) => unknown;

/** A method whose calls the guard has seen already, and does not look at again where it calls the guard's own. */
function seen(name: ResponseMethod, method: Method): Method {
  return function (this: object, ...args) {
    // The guard's own pass on as many arguments as there can be: to a method that counts them, those not given are none.
    while (args.length > 0 && args.at(-1) === undefined) args.pop();
    const exchange = exchangeOfReceiver(this);
    if (exchange === undefined) return method.apply(this, args);
    const was = exchange.covered;
    exchange.covered = name;
    try {
      return method.apply(this, args);
    } finally {
      exchange.covered = was;
    }
  };
}

/** The exchange of the response that a server has made last: Node emits its request next. */
export interface Arriving {
  exchange: Http1Exchange | null;
}

/** A guard, as far as it opens the exchanges of responses. */
interface Opening {
  readonly witness: Witness;
  open(request: IncomingMessage, response: NodeResponse, native: NativeMethods): Http1Exchange;
}

/**
 * A class of responses for the slot in which a server keeps it: a guard opens the exchange of each one it makes. What it
 * makes are instances of the class itself.
 */
export function guardedClass<T extends new (...args: never[]) => object>(
  base: T,
  guard: Opening,
  arriving: Arriving,
): T {
  const Base = base as unknown as new (...args: unknown[]) => NodeResponse;
  const { methods, native } = guardPrototypes();
  const present = RESPONSES as unknown as NativeMethods;
  function Observed(request: unknown, options: unknown) {
    const response = new Base(request, options);
    try {
      // Each asks whether all methods still are in their place. A loop would cost it as much as the rest.
      if (
        present._storeHeader !== methods._storeHeader ||
        present._send !== methods._send ||
        present._writeRaw !== methods._writeRaw ||
        present._flushOutput !== methods._flushOutput ||
        present.write !== methods.write ||
        present.end !== methods.end ||
        present.destroy !== methods.destroy ||
        present.detachSocket !== methods.detachSocket ||
        present.writeEarlyHints !== methods.writeEarlyHints ||
        present.writeInformation !== methods.writeInformation ||
        present.addTrailers !== methods.addTrailers ||
        present.emit !== methods.emit
      )
        guardPrototypes();
      arriving.exchange = guard.open(request as IncomingMessage, response, native);
    } catch (error) {
      tellFailure(guard.witness, error); // the response is a bare one then
    }
    return response;
  }
  Object.setPrototypeOf(Observed, Object.getPrototypeOf(base) as object);
  return Object.defineProperties(Observed, Object.getOwnPropertyDescriptors(base)) as unknown as T;
}
