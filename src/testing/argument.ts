/** Error for a bad argument of this entry: a TypeError with the code of the package. */
export function badArgument(message: string): TypeError {
  return Object.assign(new TypeError(message), { code: "ERR_RAYGUARD_INVALID_ARGUMENT" });
}

/** Refuses names that are not in `known`, so that a slip of the pen is not taken for a default. */
export function checkNames(given: object, known: readonly string[], what: string): void {
  for (const name of Object.keys(given)) {
    if (!known.includes(name)) throw badArgument(`${what} has no ${name}; known are ${known.join(", ")}.`);
  }
}
