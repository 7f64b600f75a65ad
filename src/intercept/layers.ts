import { IncomingMessage, ServerResponse } from "node:http";
import type { Http1Exchange } from "./http1-exchange.js";
import type { NodeResponse } from "./node-internals.js";
import { guardRequestPrototype } from "./request.js";
import { createLayer, type Layer } from "./response.js";

const kLayer: unique symbol = Symbol.for("rayguard.layer") as never;

type Layered = { [kLayer]?: Layer };

/** The layer of a prototype, laid over it on first sight. A prototype that belongs to the app, never a global one. */
function layOver(prototype: object): Layer {
  const known = Object.hasOwn(prototype, kLayer) ? (prototype as Layered)[kLayer] : undefined;
  return known ?? put(prototype, createLayer(prototype));
}

function put(target: object, layer: Layer): Layer {
  for (const [name, value] of Object.entries(layer.methods)) {
    Object.defineProperty(target, name, { value, configurable: true, writable: true, enumerable: false });
  }
  Object.defineProperty(target, kLayer, { value: layer, configurable: true });
  return layer;
}

/** The layer a response stands on. */
export function layerFor(response: NodeResponse): Layer {
  const known = (response as Layered)[kLayer];
  if (known !== undefined) return known;
  // Neither the server nor the app's prototypes are guarded yet: this one response carries the methods itself.
  guardRequestPrototype(response.req);
  return put(response, createLayer(response));
}

/** A class of responses on a layer, for the slot in which a server keeps it. */
export function guardedClass<T extends new (...args: never[]) => object>(
  base: T,
  onCreate: (response: InstanceType<T>, request: unknown) => void,
): T {
  // The name is a literal: a class that is named in any other way makes each of its instances half as slow again.
  const Guarded = class ServerResponse extends (base as unknown as new (...args: unknown[]) => object) {
    constructor(request: unknown, options: unknown) {
      super(request, options);
      onCreate(this as InstanceType<T>, request);
    }
  };
  layOver(Guarded.prototype);
  return Guarded as unknown as T;
}

/**
 * Lays the guard over the prototypes on which a framework, such as Express, puts responses and requests: below every
 * application made by the same copy of it. Responses no guard has seen pass straight through.
 */
export function layOverPrototypes(response: object, request: object): void {
  const prototype = justAbove(ServerResponse.prototype, response);
  if (prototype !== null) layOver(prototype);
  const above = justAbove(IncomingMessage.prototype, request);
  if (above !== null) guardRequestPrototype(above);
}

/** The prototype in a chain that inherits from `base` itself; null where there is none. */
function justAbove(base: object, start: object): object | null {
  for (let at: object | null = start; at !== null; at = Object.getPrototypeOf(at)) {
    if (Object.getPrototypeOf(at) === base) return at;
  }
  return null;
}

/** Gives a response methods of its own, for as long as nobody knows on which prototype its app will put it. */
export function carryLayer(exchange: Http1Exchange): void {
  const { response } = exchange;
  if (Object.hasOwn(response, kLayer)) return;
  put(response, createLayer(exchange.native));
  guardRequestPrototype(exchange.request);
}

/** The app has put a response on another prototype: lays the guard over that one. @returns false where it had not */
export function followPrototype(response: NodeResponse): boolean {
  const prototype = Object.getPrototypeOf(response) as object;
  if (kLayer in prototype) return false;
  layOverPrototypes(prototype, Object.getPrototypeOf(response.req) as object);
  return !Object.hasOwn(response, kLayer);
}
