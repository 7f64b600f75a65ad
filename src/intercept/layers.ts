import { IncomingMessage, OutgoingMessage, ServerResponse } from "node:http";
import { exchangeOf, exchangeOfReceiver } from "../exchange-of.js";
import { shared } from "../shared.js";
import type { Http1Exchange } from "./http1-exchange.js";
import { putInFront } from "./put-in-front.js";
import { guardRequestPrototype } from "./request.js";
import { createLayer, type Layer, type NativeMethods, type ResponseMethod } from "./response.js";

/**
 * The methods of every response stand on the prototype of `node:http` itself, put there once for the process. Any other
 * place shows: a class of the guard's own in the constructor and the prototype of each request, methods of its own among
 * the keys of each response. Requests and responses that no guard has seen pass straight through.
 */
const createLayers = () => createLayer(ServerResponse.prototype);

type Methods = Record<string, unknown>;

const RESPONSES = ServerResponse.prototype as unknown as Methods;

/** Methods as they are before any guard is made. */
const FIRST: Methods = {};
for (const name of Object.getOwnPropertyNames(RESPONSES)) FIRST[name] = RESPONSES[name];

let layer: Layer | undefined;
/** Its methods, in a list: each request looks whether they are still in their place. */
let inFront: { name: ResponseMethod; method: unknown }[] = [];

/** Puts the guard in front of the methods of every request and response, and finds the ones below. */
export function guardPrototypes(): Layer {
  layer ??= startLayer();
  for (const { name, method } of inFront) if (RESPONSES[name] !== method) putBack(layer, name, method);
  return layer;
}

function startLayer(): Layer {
  const started = shared("layer", createLayers);
  const methods = Object.entries(started.methods) as [ResponseMethod, unknown][];
  inFront = methods.map(([name, method]) => ({ name, method }));
  shared("writableLength", countHeld);
  shared("requests", () => {
    guardRequestPrototype(IncomingMessage.prototype);
    return true;
  });
  return started;
}

/** Again, where somebody has put back what was there before. */
function putBack({ native }: Layer, name: ResponseMethod, method: unknown): void {
  const present = RESPONSES[name];
  if (Object.hasOwn(RESPONSES, name) && present !== native[name] && present !== FIRST[name]) return;
  (native as unknown as Methods)[name] = present;
  putInFront(RESPONSES, name, method);
}

/** Content that is held back counts as written, for an app that goes by what the recipient has not taken yet. */
function countHeld(): boolean {
  const below = Object.getOwnPropertyDescriptor(OutgoingMessage.prototype, "writableLength")?.get;
  if (below === undefined) return false;
  Object.defineProperty(ServerResponse.prototype, "writableLength", {
    get(this: ServerResponse): number {
      const exchange = exchangeOf(this) as Http1Exchange | undefined;
      return (below.call(this) as number) + (exchange?.isHttp1 ? exchange.shownLength : 0);
    },
    configurable: true,
    enumerable: false,
  });
  return true;
}

let latest: object = ServerResponse.prototype;
const met = new WeakSet<object>();

/**
 * Follows a response to the prototypes its app has put it on, as Express does. Methods that somebody has wrapped there
 * may be older than the guard's, and call what was below them: they get the guard in front of them as well.
 */
export function coverPrototypes(prototype: object): void {
  if (prototype === latest) return;
  latest = prototype;
  for (let at: object | null = prototype; at !== ServerResponse.prototype; at = Object.getPrototypeOf(at)) {
    if (at === null || met.has(at)) return;
    met.add(at);
    cover(at);
  }
}

function cover(prototype: object): void {
  const names = (Object.keys(guardPrototypes().methods) as ResponseMethod[]).filter(
    (name) => Object.hasOwn(prototype, name) && typeof (prototype as NativeMethods)[name] === "function",
  );
  if (names.length === 0) return;
  const below = Object.create(prototype) as Record<string, unknown>;
  for (const name of names) below[name] = covered(name, (prototype as Record<string, unknown>)[name] as Method);
  const { methods } = createLayer(below);
  for (const name of names) putInFront(prototype, name, methods[name]);
}

type Method = (...args: unknown[]) => unknown;

/** A method whose calls the guard has seen already, and does not look at again where it calls the guard's own. */
function covered(name: ResponseMethod, method: Method): Method {
  return function (this: object, ...args) {
    const exchange = exchangeOfReceiver(this) as Http1Exchange | undefined;
    if (!exchange?.isHttp1) return method.apply(this, args);
    const was = exchange.covered;
    exchange.covered = name;
    try {
      return method.apply(this, args);
    } finally {
      exchange.covered = was;
    }
  };
}

/**
 * A class of responses that tells of each one it makes, for the slot in which a server keeps it. What it makes are
 * instances of the class itself.
 */
export function observedClass<T extends new (...args: never[]) => object>(
  base: T,
  onCreate: (response: InstanceType<T>, request: unknown) => void,
): T {
  const Base = base as unknown as new (...args: unknown[]) => InstanceType<T>;
  function Observed(request: unknown, options: unknown) {
    const response = new Base(request, options);
    onCreate(response, request);
    return response;
  }
  Object.setPrototypeOf(Observed, Object.getPrototypeOf(base) as object);
  return Object.defineProperties(Observed, Object.getOwnPropertyDescriptors(base)) as unknown as T;
}
