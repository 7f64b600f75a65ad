import type { Exchange } from "../../src/exchange/exchange.js";
import { PHASES } from "../../src/exchange/state.js";
import { fateOf } from "../../src/keeper/fate.js";
import type { KeptConnection, Ledger } from "../../src/kept/kept-connection.js";
import { keep } from "../../src/kept/kept-handle.js";
import { ownIdentity } from "../../src/recorder/process-identity.js";
import { encodeEmpty, FULL, wasFull } from "../../src/recorder/recorder-file.js";
import { encodeArrival, encodeSlot, FREE_MARK, SLOT_OCTETS, STATE, takenSlots } from "../../src/recorder/slots.js";

/** A request of a client, and how the app answers it. */
export interface Asked {
  /** Parts in which its content arrives. */
  content?: number;
  /** The app may answer while content is still to come. */
  early?: boolean;
  /** An interim response comes first. */
  interim?: boolean;
  /** The response says that the connection ends behind it. */
  closes?: boolean;
  /** The response has no end of its own. */
  endless?: boolean;
  /** The app fails once part of the response is out, and the guard cuts it. */
  fails?: boolean;
  /** The response is 101, and another protocol follows. */
  switches?: boolean;
}

/** What happens on one connection. */
export interface Scenario {
  asked: readonly Asked[];
  /** The client waits for no answer before it sends its next request. */
  pipelined?: boolean;
  /** Nobody but the worker can write on it: TLS. */
  opaque?: boolean;
  /** The worker may be told to retire. */
  retires?: boolean;
  /** Slots of the ledger, of which this connection can have some. */
  slots?: number;
  /** Slots of other connections come free as this one is under way. */
  comesFree?: boolean;
}

/** What the code could do in another order, or leave out. */
export type Mutant =
  | "a mark is written behind the octets"
  | "an interim response leaves no mark"
  | "a slot is freed before the kernel has the response"
  | "a slot is freed before the content of its request is read"
  | "a slot is freed before what was read with its request is parsed"
  | "the next response is not marked before the slot in front of it is freed"
  | "a slot is written once the app has answered"
  | "another protocol is marked behind its octets"
  | "TLS is not marked"
  | "a request is written down once its header section has arrived"
  | "a request is written down once the parser has returned"
  | "slots are freed before the keeper is told"
  | "the ledger is taken before the pipe is read"
  | "a response that was cut is marked as answered"
  | "a request is written down behind one that found no slot"
  | "the keeper ends with FIN what may be anything"
  | "the keeper hands on a connection whose content is owed"
  | "the keeper answers what is under way";

/** Octets of the client: part of a header section, of content, or of another protocol. */
interface In {
  readonly request: number;
  readonly is: "head" | "content" | "other";
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** Octets that the client receives. */
interface Out {
  readonly request: number;
  readonly is: "interim" | "final" | "other";
  readonly part: number;
  readonly parts: number;
  /** Only the end of the connection ends it. */
  readonly isEndless?: boolean;
}

/** What outlives a worker. */
interface World {
  toSend: In[];
  /** With the kernel, and read by nobody. */
  unread: In[];
  received: Out[];
  end: "FIN" | "RST" | null;
  /** What the worker has told of the connection, with the kernel. */
  told: "closed" | "reset" | "released" | null;
  deaths: number;
  retirements: number;
  /** Requests that some worker has written down. */
  written: number[];
  /** Requests that a dead worker had read octets of, and had not written down. */
  lost: number[];
  /** What has been broken. */
  broken: string[];
}

/** A world at a moment at which its worker can die. */
interface Moment {
  readonly world: World;
  readonly ledger: Buffer;
  /** Requests of which octets are read that are not written down. */
  readonly read: readonly number[];
}

const MOST_DEATHS = 2;
const MOST_STATES = 3_000;
const ID = 7;
const PARTS = 2;
const TEXT = {
  interim: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
  final: "HTTP/1.1 200 OK\r\n",
  other: "\x81\x00",
};

interface UnderWay {
  readonly request: number;
  readonly asked: Asked;
  readonly exchange: {
    -readonly [key in "phase" | "status" | "isDelimited" | "afterwards" | "outcome"]: Exchange[key];
  };
  interim: "none" | "due" | "out";
  /** Parts of the response that the app has written. */
  written: number;
  /** Those of them that wait for their turn, in a queue of Node's. */
  queued: number;
  /** What has not been written down yet. */
  isLate: boolean;
}

type Action = readonly [name: string, act: () => void];

/** One worker process, its kernel and its keeper, as far as one connection goes. */
class Model {
  readonly world: World;
  readonly #scenario: Scenario;
  readonly #mutant: Mutant | undefined;
  readonly #file: Buffer;
  readonly #freeSlots: number[];
  readonly #ledger: Ledger;
  readonly #handle: {
    writeQueueSize: number;
    writeLatin1String(request: null, text: string): void;
    close(): void;
    reset(): void;
  };
  readonly #kept: KeptConnection;
  /** Moments since the last action, in their order. */
  moments: Moment[] = [];
  #buffer: In[] = [];
  #parsing: { request: number; content: number } | null = null;
  /** Content of this request is still to come. */
  #owed = -1;
  #underWay: UnderWay[] = [];
  /** Octets that the kernel has not taken yet. */
  #queue: Out[] = [];
  /** What the next write is of, and how much of it the kernel takes. */
  #writing: { octets: Out[]; taken: number } = { octets: [], taken: 0 };
  #deferred: (() => void)[] | null = null;
  #phase: "open" | "ends" | "ended" | "closed" | "told" = "open";
  #message: "closed" | "reset" | "released" = "closed";
  /** What follows is nothing that a parser would read. */
  #isPastHttp = false;
  #isOther = false;
  #isOff = false;

  constructor(scenario: Scenario, world: World, mutant: Mutant | undefined) {
    this.#scenario = scenario;
    this.#mutant = mutant;
    this.world = structuredClone(world);
    const slots = scenario.slots ?? 4;
    this.#file = encodeEmpty(ownIdentity(), 4);
    this.#freeSlots = Array.from({ length: slots }, (_, i) => slots - i);
    this.#ledger = {
      mark: (slot, mark) => {
        const octets = mark.slice();
        this.#note(() => this.#file.set(octets, slot * SLOT_OCTETS));
      },
      expect: () => {
        if (this.#mutant === "a request is written down once its header section has arrived") return undefined;
        const slot = this.#freeSlots.pop();
        if (slot === undefined) this.#file.set(FULL.octets, FULL.at);
        else this.#arrive(slot);
        this.#happened();
        return slot;
      },
      free: (slot) => {
        this.#freeSlots.push(slot);
        this.#note(() => this.#file.set(FREE_MARK, slot * SLOT_OCTETS));
      },
    };
    const model = this;
    const native = {
      writeLatin1String(this: { writeQueueSize: number }): void {
        model.#take();
        this.writeQueueSize = model.#queue.length;
      },
      close: () => this.#happened(),
      reset: () => this.#happened(),
    };
    this.#handle = Object.assign(Object.create(native), { writeQueueSize: 0 });
    this.#kept = keep(this.#handle, ID, (kept, reset) => {
      this.#message = kept.isReleased ? "released" : reset ? "reset" : "closed";
      if (this.#mutant === "slots are freed before the keeper is told") kept.forget();
    });
    this.#happened();
    if (scenario.opaque) {
      const isBegun = world.received.length > 0 || world.toSend.length + world.unread.length < PARTS;
      if (isBegun) this.world.broken.push("octets that are no start of a message were taken for one");
      this.#occupy();
    }
  }

  /** Something happens that the other side, or the keeper, can find. */
  #happened(): void {
    this.moments.push(this.now);
  }

  get now(): Moment {
    return {
      world: structuredClone(this.world),
      ledger: Buffer.from(this.#file),
      read: this.#unwritten,
    };
  }

  #note(act: () => void): void {
    const write = () => {
      act();
      this.#happened();
    };
    if (this.#deferred === null) write();
    else this.#deferred.push(write);
  }

  #occupy(): void {
    const slot = this.#freeSlots.pop() as number;
    if (this.#mutant !== "TLS is not marked") {
      this.#arrive(slot);
      this.#file[slot * SLOT_OCTETS] = STATE.opaque;
    }
    this.#kept.occupy(slot, this.#ledger);
    this.#isOther = this.#isPastHttp = true;
    this.#happened();
  }

  #arrive(slot: number): void {
    encodeArrival(this.#file.subarray(slot * SLOT_OCTETS, (slot + 1) * SLOT_OCTETS), ID, 0);
  }

  #encode(slot: number, url: string): void {
    const recorded = {
      ray: null,
      colo: null,
      method: "GET",
      url,
      startedAt: 0,
      status: 0,
    };
    encodeSlot(this.#file.subarray(slot * SLOT_OCTETS, (slot + 1) * SLOT_OCTETS), recorded, ID);
  }

  // -- what can happen next ------------------------------------------------------------------------------------------

  get actions(): Action[] {
    const { world } = this;
    const found: Action[] = [];
    const can = (name: string, act: () => void) => found.push([name, act]);
    if (this.#maySend()) can("client sends", () => world.unread.push(world.toSend.shift() as In));
    if (this.#phase === "told") {
      can("keeper is told", () => {
        // What follows is a world without a worker of its own: see `after`.
        this.#isOff = true;
      });
      return this.#isOff ? [] : found;
    }
    if (this.#phase === "closed") {
      can("message", () => this.#tell());
      for (const entry of this.#underWay) can(`gone ${entry.request}`, () => this.#gone(entry));
      return found;
    }
    if (this.#buffer.length === 0 && this.#phase === "open")
      for (let n = 1; n <= world.unread.length; n++)
        can(`read ${n}`, () => {
          // The parser sees the first octet in the call that reads it.
          this.#buffer.push(...world.unread.splice(0, n));
          this.#parse();
        });
    if (this.#buffer.length > 0) can("parse", () => this.#parse());
    if (this.#scenario.comesFree && this.#freeSlots.length === 0 && this.#underWay.length > 0)
      can("slot comes free", () => this.#freeSlots.push(3));
    for (const [at, entry] of this.#underWay.entries()) this.#app(entry, at === 0, can);
    if (this.#queue.length > 0)
      can("kernel takes", () => {
        this.#send(this.#queue.shift() as Out);
        this.#handle.writeQueueSize = this.#queue.length;
      });
    const [head] = this.#underWay;
    const isWithKernel =
      this.#queue.length === 0 || this.#mutant === "a slot is freed before the kernel has the response";
    // What was read in one call is parsed in one call, behind which it is told of.
    const isParsed =
      this.#buffer.length === 0 || this.#mutant === "a slot is freed before what was read with its request is parsed";
    if (head !== undefined && head.written === PARTS && head.queued === 0 && isWithKernel && isParsed) {
      can("finish", () => this.#finish(head));
      const next = this.#underWay[1];
      // Node turns to the next response before anybody is told of the end of this one.
      if (next !== undefined && next.queued > 0)
        for (let taken = 0; taken <= next.queued; taken++)
          can(`finish behind ${taken} of the next`, () => {
            this.#flush(next, taken);
            this.#finish(head);
          });
      if (next !== undefined && next.interim === "due")
        for (let taken = 0; taken <= PARTS; taken++)
          can(`finish behind ${taken} of an interim response of the next`, () => {
            this.#interim(next, taken);
            this.#finish(head);
          });
    }
    if (this.#isOther && world.received.length + this.#queue.length < 4)
      can("other protocol", () => this.#write([{ request: -1, is: "other", part: 1, parts: 1 }], 1));
    if (this.#phase === "ends")
      can("FIN", () => {
        this.#phase = "ended";
        this.world.end ??= "FIN";
        this.#happened();
      });
    if (this.#phase === "ended") can("close", () => this.#close(false));
    if (this.#scenario.retires && world.retirements === 0 && this.#isIdle)
      can("release", () => {
        world.retirements++;
        if (this.#unwritten.length > 0)
          world.broken.push("a connection was handed on of whose next message octets were read");
        this.#kept.isReleased = true;
        this.#close(false);
      });
    return found;
  }

  get #unwritten(): number[] {
    if (this.#isPastHttp) return [];
    const head =
      this.#parsing === null || this.world.written.includes(this.#parsing.request) ? [] : [this.#parsing.request];
    const read = this.#buffer.filter(({ is }) => is === "head").map(({ request }) => request);
    return [...head, ...read.filter((request) => !this.world.written.includes(request))];
  }

  get #isIdle(): boolean {
    if (!this.#kept.isIdle || this.#phase !== "open" || this.#queue.length > 0) return false;
    return this.#buffer.length === 0 && this.#parsing === null && this.#owed === -1;
  }

  #maySend(): boolean {
    const { toSend, received, end } = this.world;
    const [next] = toSend;
    if (next === undefined || end !== null) return false;
    const answered = received.filter(({ is, part, parts }) => is === "final" && part === parts).length;
    if (next.is === "other") return this.#scenario.opaque === true || answered > next.request;
    return next.is === "content" || !next.isFirst || this.#scenario.pipelined === true || next.request <= answered;
  }

  // -- the worker ----------------------------------------------------------------------------------------------------

  #parse(): void {
    const octets = this.#buffer.shift() as In;
    const { request, is, isFirst, isLast } = octets;
    if (this.#isPastHttp) return;
    if (is === "content" && this.#owed === request) {
      if (isLast) this.#owed = -1;
      return;
    }
    if (is !== "head") {
      this.world.broken.push("octets that are no start of a message were taken for one");
      return;
    }
    const isLate = this.#mutant === "a request is written down once the parser has returned";
    const isNever = this.#mutant === "a request is written down once its header section has arrived";
    if (this.#parsing === null && !isLate && !isNever) this.#arrives(request);
    if (isFirst) this.#parsing = { request, content: 0 };
    else if (this.#parsing === null) {
      // The rest of a header section whose start was read by somebody else: 400, and the end.
      this.#begin(request, { closes: true });
      this.#isPastHttp = true;
      return;
    }
    if (!isLast) {
      if (isLate && this.#buffer.length === 0) this.#arrives(request);
      return;
    }
    const asked = this.#scenario.asked[request] as Asked;
    this.#begin(request, asked);
    this.#parsing = null;
    this.#isPastHttp = asked.switches === true;
    if ((asked.content ?? 0) > 0) this.#owed = request;
  }

  #arrives(request: number): void {
    this.#promise(request);
    this.#kept.arrives(this.#ledger);
  }

  #promise(request: number): void {
    if (!this.world.written.includes(request)) this.world.written.push(request);
  }

  #begin(request: number, asked: Asked): void {
    const exchange = {
      phase: PHASES.open,
      status: 200,
      isDelimited: false,
      afterwards: "idle",
      outcome: "intact",
      request: null,
    } as const;
    const entry: UnderWay = {
      request,
      asked,
      exchange: { ...exchange },
      interim: asked.interim ? "due" : "none",
      written: 0,
      queued: 0,
      isLate: false,
    };
    this.#underWay.push(entry);
    if (this.#mutant === "a slot is written once the app has answered") entry.isLate = true;
    else this.#record(entry);
  }

  #record(entry: UnderWay): void {
    entry.isLate = false;
    const kept = this.#kept;
    if (kept.isUnrecorded && this.#mutant !== "a request is written down behind one that found no slot") return;
    const slot = kept.arrived(this.#ledger) ?? this.#freeSlots.pop();
    if (slot === undefined) {
      kept.isUnrecorded = true;
      this.#file.set(FULL.octets, FULL.at);
      this.#promise(entry.request);
      this.#happened();
      return;
    }
    this.#encode(slot, `/${entry.request}`);
    this.#promise(entry.request);
    this.#happened();
    kept.begin(entry.exchange as unknown as Exchange, slot, this.#ledger);
  }

  /** What the app can do with its response. */
  #app(entry: UnderWay, isHead: boolean, can: (name: string, act: () => void) => void): void {
    const { asked, request, exchange } = entry;
    if (!asked.early && this.#owed === request) return;
    if (this.#phase !== "open") return;
    if (isHead && entry.interim === "due") {
      for (let taken = 0; taken <= PARTS; taken++) can(`interim ${taken}`, () => this.#interim(entry, taken));
      return;
    }
    if (entry.written === PARTS || (entry.interim === "due" && isHead)) {
      if (isHead && entry.queued > 0)
        for (let taken = 0; taken <= entry.queued; taken++) can(`turn ${taken}`, () => this.#flush(entry, taken));
      return;
    }
    for (let to = entry.written + 1; to <= PARTS; to++) {
      const commit = () => {
        const isSeen = this.#mutant !== "the next response is not marked before the slot in front of it is freed";
        if (isSeen) exchange.phase = PHASES.sent;
        exchange.isDelimited = !asked.endless;
        const count = to - entry.written;
        entry.written = to;
        entry.queued += count;
      };
      if (!isHead) {
        if (entry.interim !== "due") can(`app ${request} to ${to}, queued`, commit);
        continue;
      }
      for (let taken = 0; taken <= to - entry.written + entry.queued; taken++)
        can(`app ${request} to ${to}, ${taken}`, () => {
          commit();
          this.#flush(entry, taken);
          if (entry.isLate) this.#record(entry);
        });
    }
    if (isHead && asked.fails && entry.written > 0 && entry.queued === 0) can("app fails", () => this.#cut(entry));
  }

  #interim(entry: UnderWay, taken: number): void {
    entry.interim = "out";
    const octets = [1, 2].map(
      (part): Out => ({
        request: entry.request,
        is: "interim",
        part,
        parts: PARTS,
      }),
    );
    this.#write(octets, taken);
  }

  #flush(entry: UnderWay, taken: number): void {
    const first = entry.written - entry.queued;
    const octets = Array.from(
      { length: entry.queued },
      (_, i): Out => ({
        request: entry.request,
        is: "final",
        part: first + i + 1,
        parts: PARTS,
        isEndless: entry.asked.endless === true,
      }),
    );
    entry.queued = 0;
    this.#write(octets, taken, entry.asked.switches);
  }

  /** One call of a handle's, through what stands in front of it. */
  #write(octets: Out[], taken: number, switches = false): void {
    this.#writing = { octets, taken };
    const kind = octets[0]?.is ?? "other";
    const isLate =
      this.#mutant === "a mark is written behind the octets" ||
      (switches && this.#mutant === "another protocol is marked behind its octets");
    const isMute = kind === "interim" && this.#mutant === "an interim response leaves no mark";
    if (isLate || isMute) this.#deferred = [];
    this.#handle.writeLatin1String(null, TEXT[kind]);
    const deferred = this.#deferred ?? [];
    this.#deferred = null;
    if (isLate) for (const write of deferred) write();
  }

  /** What the kernel does. */
  #take(): void {
    const { octets, taken } = this.#writing;
    const isBlocked = this.#queue.length > 0;
    for (const [at, each] of octets.entries()) {
      if (isBlocked || at >= taken) this.#queue.push(each);
      else this.#send(each);
    }
  }

  #send(octets: Out): void {
    this.world.received.push(octets);
    this.#happened();
  }

  #finish(entry: UnderWay): void {
    const { asked, request, exchange } = entry;
    const isOwed =
      this.#owed === request && this.#mutant !== "a slot is freed before the content of its request is read";
    exchange.afterwards = asked.switches ? "other" : asked.closes || asked.endless || isOwed ? "ends" : "idle";
    this.#underWay.shift();
    this.#kept.end(exchange as unknown as Exchange);
    if (asked.switches) this.#isOther = true;
    else if (asked.closes || asked.endless) this.#phase = "ends";
    this.#happened();
  }

  /** The guard ends a response of which part is out. */
  #cut(entry: UnderWay): void {
    this.#queue = [];
    entry.exchange.outcome = this.#mutant === "a response that was cut is marked as answered" ? "intact" : "torn down";
    this.#close(entry.asked.endless === true);
  }

  #close(reset: boolean): void {
    this.#phase = "closed";
    this.#queue = [];
    if (reset) this.#handle.reset();
    else this.#handle.close();
    this.#happened();
  }

  /** An exchange learns that its connection is closed. */
  #gone(entry: UnderWay): void {
    this.#underWay.splice(this.#underWay.indexOf(entry), 1);
    if (entry.exchange.outcome === "intact" && !entry.asked.fails) entry.exchange.outcome = "client gone";
    entry.exchange.afterwards = "ends";
    this.#kept.end(entry.exchange as unknown as Exchange);
    this.#happened();
  }

  #tell(): void {
    this.#phase = "told";
    this.world.told = this.#message;
    this.#happened();
    this.#kept.forget();
    this.#happened();
  }

  /** Whether the keeper has acted on what it was told. */
  get isOff(): boolean {
    return this.#isOff;
  }

  /** All of it that makes a difference for what follows. */
  get key(): string {
    const slots = takenSlots(this.#file, 4).sort((a, b) => a.sequence - b.sequence);
    const ledger = slots.map(({ state, isDelimited, request }) => [
      state,
      isDelimited,
      request === "torn" || request.url,
    ]);
    const own = [
      this.#buffer,
      this.#parsing,
      this.#owed,
      this.#underWay,
      this.#queue,
      this.#phase,
      this.#message,
      this.#isOther,
      this.#isPastHttp,
      this.#isOff,
      this.#kept.isUnrecorded,
      this.#freeSlots,
      wasFull(this.#file),
    ];
    return JSON.stringify([this.world, ledger, own]);
  }
}

// -- the keeper ------------------------------------------------------------------------------------------------------

/** What it does about a message. */
function afterMessage(world: World): World {
  const { told } = world;
  const next = { ...structuredClone(world), told: null };
  if (told !== "released") next.end ??= told === "reset" ? "RST" : "FIN";
  return next;
}

/** What it does about a death. */
function afterDeath({ world, ledger, read }: Moment, mutant: Mutant | undefined): World {
  const next = structuredClone(world);
  next.deaths++;
  next.lost = [...new Set([...next.lost, ...read])];
  if (next.told !== null && mutant !== "the ledger is taken before the pipe is read") return afterMessage(next);
  next.told = null;
  let slots = takenSlots(ledger, 4).sort((a, b) => a.sequence - b.sequence);
  if (mutant === "the keeper hands on a connection whose content is owed")
    slots = slots.filter(({ state }) => state !== STATE.answered);
  if (mutant === "the keeper answers what is under way")
    slots = slots.map((slot) => ({
      ...slot,
      state: slot.state === STATE.answering ? STATE.waiting : slot.state,
    }));
  const fate = fateOf(slots, wasFull(ledger));
  switch (fate.becomes) {
    case "handed on":
      break;
    case "answered": {
      const { request } = fate.slot;
      if (next.end !== null) break; // nothing more can be written
      const url = request === "torn" ? "/-1" : request.url;
      // Where the request had not arrived yet, the answer is to the first that has none.
      const first = new Set(next.received.filter(({ is }) => is === "final").map((octets) => octets.request)).size;
      next.received.push({
        request: url === "" ? first : Number(url.slice(1)),
        is: "final",
        part: PARTS + 1,
        parts: PARTS + 1,
      });
      next.end = "FIN";
      break;
    }
    case "cut":
      next.end ??= fate.with;
      break;
    case "ended":
      next.end ??= mutant === "the keeper ends with FIN what may be anything" ? "FIN" : fate.with;
      break;
  }
  return next;
}

// -- the property ----------------------------------------------------------------------------------------------------

/** What a client can tell from what it has received. */
function lookAt(scenario: Scenario, world: World, isOver: boolean): string[] {
  const { received, end, written, lost } = world;
  const broken = [...world.broken];
  const answered = new Set<number>();
  const complete = new Set<number>();
  let current: Out | null = null;
  let isOther = false;
  for (const octets of received) {
    const { request, is, part, parts } = octets;
    if (is === "other") isOther = true;
    else if (isOther) broken.push("a response went into another protocol");
    const isStart = part === 1 || part > PARTS;
    if (isStart) {
      if (current !== null) broken.push("octets came behind those of another, unfinished response");
      if (is === "final" && answered.has(request)) broken.push("a request got two answers");
      // What a client takes for the answer to its first request is that to the first one, unless that was lost.
      const earlier = is === "final" && [...Array(request).keys()].find((each) => !answered.has(each));
      if (typeof earlier === "number" && !lost.includes(earlier)) broken.push("an answer overtook another");
      if (is === "final") answered.add(request);
    } else if (current?.request !== request || current.is !== is || current.part !== part - 1)
      broken.push("octets came behind those of another, unfinished response");
    current = part === parts ? null : octets;
    if (is === "final" && part === parts && (octets.isEndless !== true || end !== null)) complete.add(request);
  }
  if (end === "FIN" && current?.isEndless) broken.push("a cut response looks complete");
  if (!isOver || end !== null) return broken;
  for (const request of written)
    if (!complete.has(request)) broken.push("a request that was written down got neither an answer nor a break");
  for (const request of scenario.asked.keys()) {
    const isSent = !world.toSend.some((octets) => octets.request === request && octets.is === "head");
    if (isSent && !complete.has(request) && !written.includes(request) && !lost.includes(request))
      broken.push("a request was lost that nobody had read in the moment of a death");
  }
  return broken;
}

// -- the search ------------------------------------------------------------------------------------------------------

export interface Searched {
  /** Different states of client, kernel, worker, ledger and keeper. */
  states: number;
  /** Different moments at which a worker has died. */
  deaths: number;
  /** What was broken, and by which steps for the first time. */
  broken: Map<string, readonly string[]>;
  /** Most requests that were lost on a connection that stands. */
  mostLost: number;
  /** An answer reached a client that takes it for that to an earlier request, which was lost. */
  isMistaken: boolean;
}

function octetsOf({ asked, opaque }: Scenario): In[] {
  if (opaque)
    return [1, 2].map(() => ({
      request: 0,
      is: "other",
      isFirst: false,
      isLast: false,
    }));
  return asked.flatMap(({ content = 0, switches }, request): In[] => [
    { request, is: "head", isFirst: true, isLast: false },
    { request, is: "head", isFirst: false, isLast: true },
    ...Array.from(
      { length: content },
      (_, i): In => ({
        request,
        is: "content",
        isFirst: false,
        isLast: i === content - 1,
      }),
    ),
    ...(switches ? [{ request, is: "other", isFirst: false, isLast: false } as const] : []),
  ]);
}

/** Looks at everything that can happen, with a death at every moment. */
export function search(scenario: Scenario, mutant?: Mutant): Searched {
  const found: Searched = {
    states: 0,
    deaths: 0,
    broken: new Map(),
    mostLost: 0,
    isMistaken: false,
  };
  const known = new Set<string>();
  const worlds = new Set<string>();
  const nodes: {
    world: World;
    path: readonly number[];
    steps: readonly string[];
  }[] = [];

  const judge = (world: World, isOver: boolean, steps: readonly string[]) => {
    for (const broken of lookAt(scenario, world, isOver))
      if (!found.broken.has(broken)) found.broken.set(broken, steps);
    if (world.end === null) found.mostLost = Math.max(found.mostLost, world.lost.length);
    const answers = new Set(world.received.filter(({ is }) => is === "final").map(({ request }) => request));
    if ([...answers].some((request, at) => request !== at)) found.isMistaken = true;
  };
  /** A world that the next worker finds. */
  const start = (world: World, steps: readonly string[]) => {
    judge(world, world.end !== null, steps);
    const key = JSON.stringify(world);
    if (world.end !== null || worlds.has(key)) return;
    worlds.add(key);
    nodes.push({ world, path: [], steps });
  };

  const world: World = {
    toSend: octetsOf(scenario),
    unread: [],
    received: [],
    end: null,
    told: null,
    deaths: 0,
    retirements: 0,
    written: [],
    lost: [],
    broken: [],
  };
  start(world, []);
  // What is broken breaks more and more: the first of it is enough.
  for (let node = nodes.pop(); node !== undefined && found.broken.size === 0; node = nodes.pop()) {
    const { world, path, steps } = node;
    const model = new Model(scenario, world, mutant);
    for (const at of path) {
      model.moments = [];
      model.actions[at]?.[1]();
    }
    const { key, moments } = model;
    if (known.has(key)) continue;
    known.add(key);
    if (++found.states > MOST_STATES) throw new Error("there is no end to it");
    judge(model.world, false, steps);
    if (model.world.broken.length > 0) continue;
    if (model.isOff) {
      start(afterMessage(model.world), [...steps, `${model.world.told}`]);
      continue;
    }
    if (model.world.deaths < MOST_DEATHS) {
      // What the last action did to worker alone can be lost as well.
      for (const moment of [...moments, model.now]) {
        const next = afterDeath(moment, mutant);
        found.deaths++;
        start(next, [...steps, "death"]);
      }
    }
    const { actions } = model;
    if (actions.length === 0) judge(model.world, true, steps);
    for (const [at, [name]] of actions.entries()) nodes.push({ world, path: [...path, at], steps: [...steps, name] });
  }
  return found;
}
