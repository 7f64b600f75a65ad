// What a test gives `vi.mock()` in the place of src/clock.ts, so that vitest's own clock reaches what it tests.

export const performance = { now: () => globalThis.performance.now() };
export const nextTick: typeof process.nextTick = (...args) => process.nextTick(...args);
export const clearImmediate: typeof globalThis.clearImmediate = (...args) => globalThis.clearImmediate(...args);
export const clearInterval: typeof globalThis.clearInterval = (...args) => globalThis.clearInterval(...args);
export const clearTimeout: typeof globalThis.clearTimeout = (...args) => globalThis.clearTimeout(...args);
export const setImmediate = ((...args: Parameters<typeof globalThis.setImmediate>) =>
  globalThis.setImmediate(...args)) as typeof globalThis.setImmediate;
export const setInterval = ((...args: Parameters<typeof globalThis.setInterval>) =>
  globalThis.setInterval(...args)) as typeof globalThis.setInterval;
export const setTimeout = ((...args: Parameters<typeof globalThis.setTimeout>) =>
  globalThis.setTimeout(...args)) as typeof globalThis.setTimeout;
