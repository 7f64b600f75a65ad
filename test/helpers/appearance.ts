import { type IncomingMessage, IncomingMessage as NodeRequest, ServerResponse as NodeResponse } from "node:http";
import { inspect } from "node:util";

/** What the guard documents: `request.rayguard`. */
const DOCUMENTED = new Set(["rayguard"]);

const METHODS = ["write", "end", "destroy", "detachSocket", "emit", "_send", "_storeHeader", "destroySoon", "on"];

/** Whatever a program can find out about an object, in values that can be compared between two processes. */
export function appearance(object: object): Record<string, unknown> {
  const chain: unknown[] = [];
  for (let at = Object.getPrototypeOf(object) as object | null; at !== null; at = Object.getPrototypeOf(at))
    chain.push([at.constructor?.name, at === NodeRequest.prototype || at === NodeResponse.prototype]);
  const inherited: string[] = [];
  for (const name in object) inherited.push(name);
  const emitter = object as IncomingMessage;
  return {
    chain,
    constructor: object.constructor.name,
    own: Object.getPrototypeOf(object).constructor === object.constructor,
    tag: Object.prototype.toString.call(object),
    text: String(object),
    keys: Reflect.ownKeys(object)
      .map(String)
      .filter((key) => !DOCUMENTED.has(key))
      .sort(),
    enumerable: Object.keys(object).sort(),
    inherited: inherited.filter((name) => !DOCUMENTED.has(name)).sort(),
    methods: METHODS.filter((name) => name in object).map((name) => {
      const method = (object as Record<string, unknown>)[name] as { name: string; length: number };
      return [name, method.name, method.length];
    }),
    listeners: emitter.eventNames().map((name) => [String(name), emitter.listenerCount(name)]),
    shown: normalised(inspect(object, { depth: 1, breakLength: 200 })),
  };
}

/** Without what differs from one connection or moment to the next, and without a setting of a guarded server. */
function normalised(text: string): string {
  return text
    .replace(/[0-9]+(?:\.[0-9]+)?/g, "0")
    .replace(/Date: [^'\\]+/g, "Date")
    .replace(/_idle(?:Prev|Next): \[\w+\]/g, "")
    .replace(/,\s*\[Symbol\(kResourceStore\)\]: [^\s,}]+/g, "")
    .replace(/httpAllowHalfOpen: \w+/g, "");
}
