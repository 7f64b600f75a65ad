import { clearInterval, clearTimeout, performance, setImmediate, setInterval, setTimeout } from "../clock.js";
import { contain, contained, type Witness } from "../containment.js";
import type { Exchange } from "../exchange/exchange.js";
import { kindOf } from "../fallback/content.js";
import type { KeptConnection } from "../kept/kept-connection.js";
import { keptOf } from "../kept/kept-handle.js";
import { ledgerOfKeeper } from "../kept/kept-ledger.js";
import { loggableUrl } from "../report/log.js";
import { urlOf } from "../report/records.js";
import { OwnFile } from "./own-file.js";
import { ownIdentity } from "./process-identity.js";
import { encodeEmpty, FULL } from "./recorder-file.js";
import type { RecorderSettings } from "./recorder-options.js";
import { type Finder, HEARTBEAT_MS, SILENCE_MS, searchRemains } from "./recorder-search.js";
import { encodeArrival, encodeMark, encodeSlot, FREE_MARK, SLOT_OCTETS, STATE } from "./slots.js";

/** Whom the recorder tells what it found, and what keeps it from its work. */
export interface RecorderListener extends Finder, Witness {
  /** The recorder is off from now on. */
  failed(error: unknown): void;
  /** A request found no slot. Told once. */
  full(slots: number): void;
}

/** Every recorder with a file: one listener for the exit of the process serves all. */
const open = new Set<Recorder>();

/**
 * Keeps every request in flight in a file of fixed size, which the system still has after a kill that leaves the process
 * no time for anything. Writes are synchronous, since the request about to start may be the one that kills, and are
 * left in the page cache, which outlives the process.
 */
export class Recorder {
  readonly #settings: RecorderSettings;
  readonly #listener: RecorderListener;
  readonly #own = ownIdentity();
  readonly #scratch = Buffer.alloc(SLOT_OCTETS);
  /** Free slots; the last one is taken first, so that a quiet server keeps to one page. */
  readonly #free: number[];
  readonly #look: () => void;
  readonly #answering: Exchange[] = [];
  readonly #refused = new Set<string>();
  readonly #file = new OwnFile((error) => this.#fail(error));
  #heartbeat: NodeJS.Timeout | undefined;
  #search: NodeJS.Timeout | undefined;
  #closing = false;
  #toldFull = false;
  /** When the clock of the exchanges began, by that of the system, which may be set anew. */
  #epoch = Date.now() - performance.now();

  /** Opens a file of this process at once, and looks for those of dead ones when the app has set up its logger. */
  constructor(settings: RecorderSettings, listener: RecorderListener) {
    this.#settings = settings;
    this.#listener = listener;
    this.#free = Array.from({ length: settings.slots }, (_, i) => settings.slots - i);
    this.#look = contained(listener, () => this.#searchRemains());
    // What a worker leaves is read by its keeper, then and there.
    this.#search = ledgerOfKeeper() === undefined ? setTimeout(this.#look, 0) : undefined;
    try {
      this.#create();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Writes down a request that is about to reach the app. */
  begin(exchange: Exchange): void {
    const { request } = exchange;
    const kept = keptOf(exchange.socket);
    if (!this.#file.isOpen || (request === null && kept === undefined) || kept?.isUnrecorded) return;
    const slot = kept?.arrived(this) ?? this.#take();
    if (slot === undefined) {
      if (kept !== undefined) kept.isUnrecorded = true;
      return;
    }
    // It is looked at when the file is read.
    const field = request?.headers["cf-ray"];
    const recorded = {
      ray: typeof field === "string" ? field : null,
      colo: null,
      method: request?.method ?? "",
      url: request === null ? "" : loggableUrl(urlOf(request)),
      startedAt: this.#epoch + exchange.startedAt,
      status: 0,
    };
    exchange.slot = slot;
    const kind = kept === undefined ? 0 : kindOf(request);
    this.#file.write(this.#scratch, encodeSlot(this.#scratch, recorded, kept?.id, kind), slot * SLOT_OCTETS);
    if (kept === undefined) return;
    exchange.kept = kept;
    kept.begin(exchange, slot, this);
  }

  /** Writes down that a request is arriving on a connection, of which nothing is known yet. */
  expect(kept: KeptConnection): number | undefined {
    const slot = this.#take();
    if (slot !== undefined)
      this.#file.write(this.#scratch, encodeArrival(this.#scratch, kept.id, kindOf(null)), slot * SLOT_OCTETS);
    return slot;
  }

  /** Writes down that only this process can write on a connection. */
  occupy(kept: KeptConnection): void {
    const slot = this.#take();
    if (slot === undefined) return;
    const length = encodeArrival(this.#scratch, kept.id, 0);
    this.#scratch[0] = STATE.opaque;
    this.#file.write(this.#scratch, length, slot * SLOT_OCTETS);
    kept.occupy(slot, this);
  }

  #take(): number | undefined {
    if (!this.#file.isOpen) return undefined;
    const slot = this.#free.pop();
    if (slot !== undefined || this.#toldFull) return slot;
    this.#toldFull = true;
    this.#listener.full(this.#settings.slots);
    this.#file.write(FULL.octets, FULL.octets.length, FULL.at);
    return undefined;
  }

  /**
   * Notes that a response is under way: should the process die now, the client sees that status, and not one of the
   * edge. Nearly every response is over before this loop of events is, and is spared the write.
   */
  answering(exchange: Exchange): void {
    // What happens on a kept connection is noted as it happens.
    if (exchange.slot === -1 || exchange.kept !== undefined || this.#answering.push(exchange) > 1) return;
    setImmediate(contained(this.#listener, () => this.#markAnswering()));
  }

  #markAnswering(): void {
    for (const { slot, status } of this.#answering.splice(0)) {
      if (slot !== -1) this.mark(slot, encodeMark(STATE.answering, status));
    }
  }

  mark(slot: number, mark: Uint8Array): void {
    this.#file.write(mark, mark.length, slot * SLOT_OCTETS);
  }

  /** Strikes a request out. */
  end(exchange: Exchange): void {
    const { slot } = exchange;
    if (slot === -1) return;
    exchange.slot = -1;
    if (exchange.kept === undefined) this.free(slot);
    else exchange.kept.end(exchange);
  }

  free(slot: number): void {
    this.#free.push(slot);
    this.#file.write(FREE_MARK, FREE_MARK.length, slot * SLOT_OCTETS);
    if (this.#closing) this.#removeIfEmpty();
  }

  /** Stops the timers. The file goes when the last request has: until then it is still true. */
  close(): void {
    this.#closing = true;
    clearTimeout(this.#search);
    clearInterval(this.#heartbeat);
    this.#removeIfEmpty();
  }

  /** The process ends by itself: requests still in flight die with it. */
  exit(): void {
    // A keeper takes an empty file for what it is, and one that is not there for a failure.
    if (ledgerOfKeeper() === undefined) this.#removeIfEmpty();
  }

  #create(): void {
    const { path, slots } = this.#settings;
    this.#file.create(path, encodeEmpty(this.#own, slots), ledgerOfKeeper() !== undefined);
    if (open.size === 0) process.on("exit", exitAll);
    open.add(this);
    const touch = contained(this.#listener, () => this.#touch());
    this.#heartbeat = setInterval(touch, HEARTBEAT_MS).unref();
  }

  /** Tells processes of other containers, which cannot look for this one, that it lives. */
  #touch(): void {
    const now = new Date();
    this.#epoch = now.getTime() - performance.now();
    this.#file.touch(now);
  }

  #searchRemains(): void {
    try {
      const again = searchRemains(this.#settings.path, this.#own, {
        found: (remains) => this.#listener.found(remains),
        isHeard: () => this.#listener.isHeard(),
        refused: (file, why) => {
          if (!this.#refused.has(file)) this.#listener.refused(file, why);
          this.#refused.add(file);
        },
      });
      if (again && !this.#closing) this.#search = setTimeout(this.#look, SILENCE_MS).unref();
    } catch (error) {
      if (this.#file.isOpen) this.#fail(error);
    }
  }

  /** What cannot be written any more would be false at the next start. */
  #fail(error: unknown): void {
    this.#file.clear();
    this.#remove();
    const tell = contained(this.#listener, () => this.#listener.failed(error));
    setImmediate(tell); // the app may not have set up its logger yet
  }

  #removeIfEmpty(): void {
    if (this.#file.isOpen && this.#free.length === this.#settings.slots) this.#remove();
  }

  #remove(): void {
    clearInterval(this.#heartbeat);
    open.delete(this);
    if (open.size === 0) process.off("exit", exitAll);
    this.#file.remove();
  }
}

function exitAll(): void {
  for (const recorder of open) contain(undefined, () => recorder.exit());
}
