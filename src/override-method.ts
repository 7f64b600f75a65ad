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

/** Overrides a method of one object. @returns what undoes that, unless another has overridden it by then */
export function overrideOwn<K extends string>(object: { [N in K]?: unknown }, name: K, method: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(object, name);
  overrideMethod(object, name, method);
  if (before === undefined) Object.defineProperty(object, name, { enumerable: false });
  return () => {
    if (object[name] !== method) return;
    if (before === undefined) delete object[name];
    else Object.defineProperty(object, name, before);
  };
}
