import { clearTimeout, performance, setImmediate, setTimeout } from "../clock.js";
import type { ResponseEnd } from "../parser/octet-stream.js";
import { type Problem, problem } from "../parser/problems.js";
import { ResponseReader } from "../parser/response-reader.js";
import type { Outgoing } from "./request.js";
import { type Connection, connect, type Endpoint } from "./target.js";

/** How to speak; the same names as the options of `exchange`. */
export interface Settings {
  readonly timeoutMs: number;
  readonly keepOpenMs: number;
  readonly halfClose: boolean;
  readonly writes: "whole" | { readonly chunkOctets: number; readonly delayMs: number };
  readonly signal?: AbortSignal;
  readonly abortAfterMs?: number;
  readonly pauseReadingMs: number;
  readonly idleMs: number;
  readonly maxOctets: number;
}

export interface Outcome {
  readonly reader: ResponseReader;
  readonly problems: Problem[];
  readonly end: ResponseEnd;
  readonly timedOut: boolean;
  readonly error: Error | undefined;
  readonly tooMuch: boolean;
  readonly firstOctetMs: number | undefined;
  readonly lastOctetMs: number | undefined;
  readonly ms: number;
}

/** Why the conversation is over. */
interface Ending {
  readonly end: ResponseEnd;
  readonly timedOut?: boolean;
  readonly error?: Error;
  /** More octets came than we were to read. */
  readonly tooMuch?: boolean;
  /** We reset the connection. */
  readonly reset?: boolean;
  /** The close that was announced has not come. */
  readonly notClosed?: boolean;
}

/** How long to wait for a close that is due, in milliseconds: `keepOpenMs` is too short for a busy machine. */
const CLOSE_WITHIN_MS = 1000;

/** One connection from opening to end. */
export class Conversation {
  readonly #outgoing: readonly Outgoing[];
  readonly #settings: Settings;
  readonly #reader = new ResponseReader();
  readonly #connection: Connection;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #started = performance.now();
  readonly #ended: Promise<Ending>;
  readonly #closed: readonly Promise<void>[];
  #finish: (ending: Ending) => void = () => undefined;
  #sent = 0;
  #writing = true;
  #lingering = false;
  #idle = false;
  #connected = false;
  #firstOctetMs: number | undefined;
  #lastOctetMs: number | undefined;

  constructor(endpoint: Endpoint, outgoing: readonly Outgoing[], settings: Settings) {
    this.#outgoing = outgoing;
    this.#settings = settings;
    this.#ended = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.#connection = connect(endpoint);
    const { socket, transport } = this.#connection;
    // The event, not the state of that name: that is reached before the handle is closed.
    this.#closed = [socket, transport].map((one) => new Promise<void>((resolve) => one.once("close", () => resolve())));
  }

  async run(): Promise<Outcome> {
    const { socket, transport, ready } = this.#connection;
    const { signal, timeoutMs } = this.#settings;
    const abort = (): void => this.#finish({ end: "open", reset: true });
    if (signal?.aborted === true) abort();
    signal?.addEventListener("abort", abort);
    this.#after(timeoutMs, () => this.#finish({ end: "open", timedOut: !this.#lingering }));
    socket.once(ready, () => this.#start());
    socket.on("data", (octets: Buffer) => this.#receive(octets));
    socket.once("end", () => this.#probe());
    // Both stay until the sockets are closed: an error without a listener would end the process.
    socket.on("error", (error) => this.#finish({ end: "reset", error }));
    if (transport !== socket) transport.on("error", (error) => this.#finish({ end: "reset", error }));
    socket.once("close", () => this.#finish({ end: "reset" }));

    const ending = await this.#ended;
    const ms = performance.now() - this.#started;
    signal?.removeEventListener("abort", abort);
    for (const timer of this.#timers) clearTimeout(timer);
    socket.removeAllListeners("data");
    await this.#close(ending.reset === true);
    return {
      reader: this.#reader,
      problems: this.#problems(ending),
      end: ending.end,
      timedOut: ending.timedOut === true,
      error: ending.error,
      tooMuch: ending.tooMuch === true,
      firstOctetMs: this.#firstOctetMs,
      lastOctetMs: this.#lastOctetMs,
      ms,
    };
  }

  #after(ms: number, then: () => void): void {
    this.#timers.push(setTimeout(then, ms));
  }

  #start(): void {
    const { abortAfterMs, pauseReadingMs } = this.#settings;
    const { socket } = this.#connection;
    this.#connected = true;
    if (abortAfterMs !== undefined) this.#after(abortAfterMs, () => this.#finish({ end: "open", reset: true }));
    if (pauseReadingMs > 0) {
      socket.pause();
      this.#after(pauseReadingMs, () => socket.resume());
    }
    this.#send();
  }

  #receive(octets: Buffer): void {
    this.#lastOctetMs = performance.now() - this.#started;
    this.#firstOctetMs ??= this.#lastOctetMs;
    this.#reader.push(octets);
    if (this.#reader.stream.length > this.#settings.maxOctets) this.#finish({ end: "open", tooMuch: true });
    this.#proceed();
  }

  /**
   * Tells a clean close from a reset that came together with the last octets: Node before 24 reports both as end.
   * Linux answers for it when asked to send nothing at all. Behind our own end it cannot be asked.
   */
  #probe(): void {
    const { transport } = this.#connection;
    if (transport.writableEnded || transport.destroyed) {
      this.#finish({ end: "fin" });
    } else if (transport.writableLength > 0) {
      // What is still to be written fails by itself before the next turn, when there was a reset.
      setImmediate(() => this.#finish({ end: "fin" }));
    } else {
      transport.write("", (error: NodeJS.ErrnoException | null | undefined) => {
        // EPIPE is no reset: it says that the clean close came first.
        if (error?.code === "ECONNRESET") this.#finish({ end: "reset", error });
        else this.#finish({ end: "fin" });
      });
    }
  }

  /** Writes the next request. */
  #send(): void {
    const next = this.#outgoing[this.#sent];
    if (next === undefined) return;
    this.#sent += 1;
    this.#writing = true;
    for (const facts of next.requests) this.#reader.expect(facts);
    this.#write(next.octets);
  }

  #write(octets: Buffer): void {
    const { writes, halfClose } = this.#settings;
    const { socket } = this.#connection;
    if (writes !== "whole" && octets.length > writes.chunkOctets) {
      socket.write(octets.subarray(0, writes.chunkOctets));
      const rest = octets.subarray(writes.chunkOctets);
      // Behind the poll phase, so that what has arrived is read first: a write that fails takes the unread with it.
      this.#after(writes.delayMs, () =>
        setImmediate(() => {
          if (socket.writable && !this.#reader.over) this.#write(rest);
        }),
      );
      return;
    }
    socket.write(octets);
    this.#writing = false;
    if (halfClose && this.#sent === this.#outgoing.length) socket.end();
    this.#proceed();
  }

  /** Goes on to the next request, or to the wait for surplus octets and the close. */
  #proceed(): void {
    if (this.#lingering || !this.#reader.settled) return;
    // A request that is answered early is still written to its end, unless nobody will read it.
    if (this.#writing && !this.#reader.over) return;
    if (this.#reader.reusable && this.#sent < this.#outgoing.length) {
      this.#sendNext();
      return;
    }
    this.#lingering = true;
    const { keepOpenMs, halfClose } = this.#settings;
    const notClosed = this.#reader.closes;
    const wait = notClosed || halfClose ? Math.max(keepOpenMs, CLOSE_WITHIN_MS) : keepOpenMs;
    this.#after(wait, () => this.#finish({ end: "open", notClosed }));
  }

  /** Sends the next request, when the connection has been idle for as long as it is to be. */
  #sendNext(): void {
    const { idleMs } = this.#settings;
    if (idleMs === 0) {
      this.#send();
    } else if (!this.#idle) {
      this.#idle = true;
      this.#after(idleMs, () => {
        this.#idle = false;
        // What came meanwhile has been looked at by then, and may have ended it.
        if (!this.#lingering && this.#reader.reusable) this.#send();
      });
    }
  }

  /** Leaves no socket behind. */
  async #close(reset: boolean): Promise<void> {
    const { socket, transport } = this.#connection;
    if (reset && transport.readyState === "open") transport.resetAndDestroy();
    socket.destroy();
    transport.destroy();
    await Promise.all(this.#closed);
  }

  #problems({ end, error, notClosed }: Ending): Problem[] {
    const unsent = this.#outgoing.length - this.#sent;
    const missed = this.#connected && this.#reader.reusable && unsent > 0;
    const problems = this.#reader.stop(end);
    const at = this.#reader.stream.length;
    if (!this.#connected) {
      problems.unshift(
        problem("no-connection", 0, `There was no connection: ${error?.message ?? "given up while connecting"}.`),
      );
    }
    if (missed) {
      const message = `The connection ended without notice, before ${unsent} of the requests could be sent.`;
      problems.push(problem("unanswered", at, message));
    }
    if (notClosed === true) {
      problems.push(problem("not-closed", at, "The connection stays open after a response that closes it."));
    }
    return problems;
  }
}
