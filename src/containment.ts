/** Whoever is told that something of the guard's own has failed. */
export interface Witness {
  ownFailure(error: unknown): void;
  /** It has been closed, and looks after nothing that begins from then on. */
  readonly isClosed?: boolean;
}

/**
 * Wraps a callback of the guard's own for timers, events and promises: whatever it throws would reach the process as an
 * uncaught exception, and end an app that has done nothing wrong. It is told and goes no further. Code of the app that runs
 * inside needs a catch of its own, where the app is to see what it throws.
 * @param witness - the guard concerned; without one, Node's own warnings tell
 */
export function contained<This, Args extends unknown[]>(
  witness: Witness | undefined,
  act: (this: This, ...args: Args) => void,
): (this: This, ...args: Args) => void {
  return function contained(this: This, ...args: Args): void {
    try {
      act.apply(this, args);
    } catch (error) {
      tellFailure(witness, error);
    }
  };
}

/** Runs something of the guard's own, here and now, as `contained` would. @returns whether it went well */
export function contain(witness: Witness | undefined, act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    tellFailure(witness, error);
    return false;
  }
}

/** Sees to it that a promise of the guard's own which nobody waits for does not end the process. */
export function containPromise(witness: Witness | undefined, promise: Promise<unknown>): void {
  promise.catch((error: unknown) => tellFailure(witness, error));
}

/** Tells of a failure that has been caught already. Never throws. */
export function tellFailure(witness: Witness | undefined, error: unknown): void {
  try {
    if (witness === undefined) process.emitWarning(asError(error));
    else witness.ownFailure(error);
  } catch {
    // there is nobody left to tell
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(`rayguard failed: ${String(error)}`);
}

/** Most different failures that are remembered; those beyond are counted and no longer told. */
const MOST_REMEMBERED = 100;

/** Tells failures that have been told from new ones: a sweep meets the same one at every request. */
export class ToldFailures {
  readonly #told = new Set<string>();

  /** @returns whether this is the first failure of its message and place */
  isNew(error: unknown): boolean {
    const key = error instanceof Error ? String(error.stack).split("\n", 2).join() : String(error);
    if (this.#told.has(key) || this.#told.size >= MOST_REMEMBERED) return false;
    this.#told.add(key);
    return true;
  }
}
