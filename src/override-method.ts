/** Overrides a method: with its name and length, and enumerable where that was. */
export function overrideMethod(target: object, name: string, method: unknown): void {
  const below = (target as Record<string, { name: string; length: number }>)[name];
  let owner = target;
  while (!Object.hasOwn(owner, name)) owner = Object.getPrototypeOf(owner) as object;
  const { enumerable = false } = Object.getOwnPropertyDescriptor(owner, name) as PropertyDescriptor;
  Object.defineProperties(method, {
    name: { value: below?.name, configurable: true },
    length: { value: below?.length, configurable: true },
  });
  Object.defineProperty(target, name, { value: method, configurable: true, writable: true, enumerable });
}

interface Emitting {
  emit(event: string | symbol, ...args: unknown[]): boolean;
}

/** Overrides `emit` of a server. @returns what undoes that, unless another has overridden it by then */
export function overrideEmit(server: Emitting, emit: Emitting["emit"]): () => void {
  const before = Object.getOwnPropertyDescriptor(server, "emit");
  overrideMethod(server, "emit", emit);
  if (before === undefined) Object.defineProperty(server, "emit", { enumerable: false });
  return () => {
    if (server.emit !== emit) return;
    if (before === undefined) delete (server as Partial<Emitting>).emit;
    else Object.defineProperty(server, "emit", before);
  };
}
