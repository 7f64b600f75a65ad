import { channel } from "node:diagnostics_channel";

const kShared: unique symbol = Symbol.for("rayguard.shared") as never;

// A channel is found by its name from every copy of the package, and belongs to nobody else.
const holder = channel("rayguard:incident") as unknown as { [kShared]?: Map<string, unknown> };

/** Something of which one is enough for every copy of the package in a process, so that nothing is guarded twice. */
export function shared<T>(name: string, make: () => T): T {
  holder[kShared] ??= new Map();
  const known = holder[kShared];
  if (!known.has(name)) known.set(name, make());
  return known.get(name) as T;
}

/** Servers of rayguard's own: where a program is guarded from outside, they are no part of it. */
export const ownServers = shared("own servers", () => new WeakSet<object>());

/**
 * The constructor of a class that puts a private field of its own on an object that exists already: nobody finds it among
 * the keys of the object or in `inspect`, and it costs no more than a property.
 */
export class Existing {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: that is what it is for
    return object;
  }
}
