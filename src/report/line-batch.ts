import { fstatSync } from "node:fs";
import { clearTimeout, setTimeout } from "../clock.js";
import { contained, ToldFailures, tellFailure } from "../containment.js";
import { LogDestination } from "./log-destination.js";
import type { Destination } from "./pino-line.js";

/**
 * Lines of requests that wait to be written together, at most for the time that their guard allows. Whatever else goes to
 * the same destination has them before it, and whatever is asked of it, or ends it, has them written first: no line
 * overtakes another one.
 */
export class LineBatch {
  /** The method that has waiting lines before what it writes. While it is another, somebody looks at each line. */
  readonly #write: Destination["write"];
  readonly #most: number;
  #lines = "";

  constructor(private readonly destination: Destination) {
    this.#most = mostOf(destination);
    for (const name of METHODS) override(destination, name, (native) => this.#first(native));
    override(destination, "write", (native) => this.#before(native));
    this.#write = destination.write;
  }

  /** @param ms - longest time the line may wait */
  add(line: string, ms: number): void {
    if (hasEnded || this.destination.write !== this.#write) {
      this.flush();
      this.destination.write(line);
      return;
    }
    if (this.#lines.length + line.length > this.#most) this.flush();
    if (this.#lines === "") waiting.add(this);
    this.#lines += line;
    if (timer === undefined || ms < timerMs) flushIn(ms);
  }

  flush(): void {
    if (this.#lines === "") return;
    const lines = this.#take();
    try {
      if (this.destination.write === this.#write) this.destination.write(lines);
      else for (const line of lines.match(/.*\n/g) ?? []) this.destination.write(line);
    } catch (error) {
      // As of a logger that throws: it must take neither the response nor the process with it.
      if (told.isNew(error)) tellFailure(undefined, error);
    }
  }

  /** Writes here and now: the process may be gone before anything that is not synchronous has happened. */
  flushSync(): void {
    const destination = this.destination as Destination & { sync?: unknown };
    const { sync } = destination;
    if (sync !== false) return this.flush();
    destination.sync = true;
    this.flush();
    destination.sync = sync;
  }

  #take(): string {
    const lines = this.#lines;
    this.#lines = "";
    waiting.delete(this);
    return lines;
  }

  /** In one write: of two, the second can be out before the first. */
  #before(native: Method): Method {
    const batch = this;
    return function write(this: unknown, ...args: unknown[]): unknown {
      const [text] = args;
      if (batch.#lines !== "") {
        if (typeof text === "string" && batch.#lines.length + text.length <= batch.#most)
          args[0] = batch.#take() + text;
        else batch.flush();
      }
      return Reflect.apply(native, this, args);
    };
  }

  #first(native: Method): Method {
    const batch = this;
    return function first(this: unknown, ...args: unknown[]): unknown {
      batch.flush();
      return Reflect.apply(native, this, args);
    };
  }
}

type Method = (...args: unknown[]) => unknown;

/** Most that waits, in UTF-16 code units: more gains nothing. */
const MOST = 32 * 1024;

/** The same for a pipe: a longer write can have those of other processes in the middle (POSIX, PIPE_BUF). */
const MOST_FOR_PIPE = 4_096;

/** Methods of a destination that have written what it holds, or end it. */
const METHODS = ["flush", "flushSync", "reopen", "end", "destroy"] as const;

const told = new ToldFailures();
const batches = new WeakMap<object, LineBatch | null>();
const waiting = new Set<LineBatch>();
let timer: NodeJS.Timeout | undefined;
let timerMs = 0;
let hasEnded = false;
let listens = false;

/** The batch of a destination; null where lines must come one by one. */
export function batchOf(destination: Destination): LineBatch | null {
  let batch = batches.get(destination);
  if (batch === undefined) {
    batch = takesOctets(destination) ? new LineBatch(destination) : null;
    batches.set(destination, batch);
    if (batch !== null) listen();
  }
  return batch;
}

/** Writes what waits, wherever it goes. */
export function flushLines(): void {
  for (const batch of waiting) batch.flush();
}

/** The same, here and now. */
export function flushSync(): void {
  for (const batch of waiting) batch.flushSync();
}

/**
 * Whether all that is known of a line behind its destination is its octets: that of the default logger, and pino's own,
 * which write to a file descriptor. Any other may look at each line.
 */
function takesOctets(destination: Destination): boolean {
  if (destination instanceof LogDestination) return true;
  const { fd, maxLength, write, constructor: made } = destination as Destination & Record<string, unknown>;
  const isPinos = (made as { name?: unknown } | undefined)?.name === "SonicBoom" && typeof fd === "number";
  // One with a limit drops whole writes.
  return isPinos && maxLength === 0 && PINOS_WRITE.test(Function.prototype.toString.call(write));
}

const PINOS_WRITE = /^function write ?\(/;

function mostOf(destination: Destination): number {
  try {
    return fstatSync((destination as Destination & { readonly fd: number }).fd).isFIFO() ? MOST_FOR_PIPE : MOST;
  } catch {
    return MOST;
  }
}

function override(destination: object, name: string, wrap: (native: Method) => Method): void {
  const native = (destination as Record<string, unknown>)[name];
  if (typeof native !== "function") return;
  const value = Object.defineProperty(wrap(native as Method), "name", { value: native.name });
  Object.defineProperty(value, "length", { value: native.length });
  const enumerable = Object.prototype.propertyIsEnumerable.call(destination, name);
  Object.defineProperty(destination, name, { value, writable: true, configurable: true, enumerable });
}

/** One timer for the process. It is left where lines go earlier: to set one anew for each costs more than it is worth. */
function flushIn(ms: number): void {
  clearTimeout(timer);
  timerMs = ms;
  timer = setTimeout(onTime, ms).unref();
}

const onTime = contained(undefined, () => {
  timer = undefined;
  flushLines();
});

/** The process may end in whatever way its listeners know, in any of them: those here come first. */
function listen(): void {
  if (listens) return;
  listens = true;
  // Listeners for `exit` that are added while it is emitted are not called.
  hasEnded = (process as { _exiting?: boolean })._exiting === true;
  process.prependListener("uncaughtExceptionMonitor", contained(undefined, flushSync));
  process.prependListener(
    "exit",
    contained(undefined, () => {
      hasEnded = true;
      flushSync();
    }),
  );
}
