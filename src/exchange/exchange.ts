import type { Readable } from "node:stream";
import { performance } from "../clock.js";
import type { Witness } from "../containment.js";
import { ERROR_CODES, RayguardError } from "../errors.js";
import type { Page } from "../fallback/page.js";
import { BESIDE } from "../options/beside.js";
import type { RouteSettings, Settings, Terms } from "../options/options.js";
import type { Action, Failure } from "../report/incidents.js";
import type { Logger, RequestRecord } from "../report/log.js";
import type { Caller } from "../trust/caller.js";
import { Carrier } from "./carrier.js";
import type { DeadlineQueue, Waiting } from "./deadline-queue.js";
import { CHUNKED, type Framing } from "./framing.js";
import type { Mode } from "./mode.js";
import { ExchangeContext } from "./request-context.js";
import { leaveSources, type Source } from "./source.js";
import { type Circumstances, PHASES, type Phase } from "./state.js";

/** What an exchange needs of its guard. */
export interface Supervisor extends Witness {
  /** What it does about failures. */
  readonly mode: Mode;
  readonly settings: Settings;
  /** Servers whose connections are to end, each behind its last response. */
  readonly closing: ReadonlySet<object>;
  /** Told of every finished header section, where anybody wants to know. */
  rendered: ((exchange: Exchange, section: string) => void) | undefined;
  largeHeaderSection(octets: number, fields: string): void;
  watch(exchange: Exchange): void;
  holdBack(exchange: Exchange): void;
  committed(exchange: Exchange): void;
  /** The whole response is with the kernel, and its connection free for the next request. */
  delivered(exchange: Exchange): void;
  settled(exchange: Exchange): void;
  report(exchange: Exchange, failure: Failure, action: Action): void;
  /** A line about the guard itself. */
  warn(record: object, message: string): void;
  compose(exchange: Exchange, failure: Failure): Page;
}

/** Who let an exchange in, or has it wait: told when the fate of the exchange is known. */
export interface Admitter {
  left(exchange: Exchange): void;
}

/** What leads from running code to its request. Emptied when that is settled: a connection keeps the last one it has had. */
export interface Trace {
  exchange: Exchange | null;
}

/**
 * One request and its response, from the header section of the one to the fate of the other:
 * nothing sent, held, committed, ended, settled. How octets move is left to its carrier, a subclass per protocol.
 */
export abstract class Exchange extends Carrier implements Waiting, Circumstances {
  /** Its response is one of `node:http` on a connection: what the methods in `http1/methods/overrides.ts` can take for theirs. */
  declare readonly hasNodeResponse: boolean;
  /** It is only looked at: nothing of it is changed. */
  declare readonly isWatched: boolean;
  /** A method of it is on the stack that the guard has in front of one the app has wrapped. */
  declare covered: string | null;
  queue: DeadlineQueue | null = null;
  previous: Waiting | null = null;
  next: Waiting | null = null;
  dueAt = 0;
  /** What holds for it in place of the terms of its guard, where it has not come to that; see `terms`. */
  declare ownTerms: Terms | undefined;
  /** Where its response stands. */
  phase: Phase = PHASES.open;
  /** How a recipient finds the end of the content, as far as that is decided. */
  framing: Framing = CHUNKED;
  /** Octets of content taken from the app. */
  sent = 0;
  /** Why the response cannot be saved, until no method of the app is on the stack. */
  declare pending: Failure | null;
  /** The guard has had its look at the request, and left it to the app. */
  examined = false;
  /** Who let this exchange in, or has it wait; null where nobody has been asked. */
  declare admittedBy: Admitter | null;
  /** Octets on their way to the connection are Node's own, or the guard's. */
  passing = false;
  /** Not worth a line in the log: a health check. */
  declare quiet: boolean;
  outcome: RequestRecord["outcome"] = "intact";
  /** Leads from code to this exchange, where an uncaught exception is to be told its request. */
  trace: Trace | undefined = undefined;
  /** Code of the first incident. */
  declare incident: string | undefined;
  /** It has been told that it fails, where nothing is changed. */
  declare hasFailed: boolean;
  /** Error an adapter has seen, for the incident that may follow from it. */
  declare cause: unknown;
  /** Logger of the framework for this request, where it has one. */
  declare logger: Logger | undefined;
  readonly startedAt: number = performance.now();
  /** Time of the last movement of the response, and 0 before the first. */
  declare activeAt: number;
  /** Whose octets are watched, how far they had got at the last look, and when they were last seen to move. */
  declare watched: "request" | "response" | null;
  declare progress: number;
  declare movedAt: number;
  /** Who has sent it, where that differs from one request of the connection to the next; see `callerOf`. */
  declare knownCaller: Caller | undefined;
  /** What cannot be parsed, from a peer that sends much of it: counted, and not told; undefined until it was asked. */
  declare isNoise: boolean | undefined;
  /** How much of what is held the app finds in `writableLength`. */
  declare shownLength: number;
  /**
   * How many callers write where nobody catches what that throws, and an error would end the process, beside the sources
   * that are piped: Express's final handler.
   */
  declare unattended: number;
  /** What is piped into its response. */
  declare sources: Map<Readable, Source> | undefined;
  /** Where the flight recorder keeps it, or -1. */
  declare slot: number;
  /** Its connection, where a keeper holds that as well. */
  declare kept: { end(exchange: Exchange): void } | undefined;
  /** Called once the fate is known and the whole response has been handed over. */
  declare whenSettled: (() => void) | undefined;
  declare private known: ExchangeContext | undefined;
  /** Something late has been told. */
  declare private isLate: boolean;

  constructor(
    readonly supervisor: Supervisor,
    public settings: RouteSettings,
  ) {
    super();
  }

  /** What holds for it beside the numbers of its settings. */
  get terms(): Terms {
    return this.ownTerms ?? this.supervisor.settings;
  }

  /** It has not come to where a guard is mounted, and goes by nothing that a user has asked a guard for. */
  get isBeside(): boolean {
    return this.ownTerms === BESIDE;
  }

  /** Its guard is mounted for a part of the app. @param settings - until it comes there */
  keepBeside(settings: RouteSettings): void {
    this.settings = settings;
    this.ownTerms = BESIDE;
  }

  /** It has come to where a guard is mounted, which looks at it now. */
  comesTo(guard: Supervisor): void {
    this.settings = guard.settings;
    this.ownTerms = guard === this.supervisor ? undefined : guard.settings;
    this.examined = false;
    this.supervisor.watch(this);
  }

  get context(): ExchangeContext {
    if (this.known === undefined) this.known = new ExchangeContext(this);
    return this.known;
  }

  /**
   * The response cannot go on as the app has it in mind.
   * @returns false where nothing was done, because the response is over already or the guard only reports
   */
  fail(failure: Failure): boolean {
    return this.supervisor.mode.fail(this, failure);
  }

  /** Leaves it without an answer: the connection has announced its end, or belongs to somebody else. */
  passOver(): void {
    this.phase = this.phase.after.pass;
    this.queue?.remove(this);
  }

  /**
   * Notes a repair: the app's response goes on, with the smallest fix that makes it valid.
   * @returns whether that is to be made: a guard that only reports has told of it, and changes nothing
   */
  repaired(failure: Failure): boolean {
    return this.supervisor.mode.repair(this, failure);
  }

  /** Runs `act` for octets that are Node's own, or the guard's. */
  pass<T>(act: () => T): T {
    const was = this.passing;
    this.passing = true;
    try {
      return act();
    } finally {
      this.passing = was;
    }
  }

  /** Notes something the app did to a response that was over; once for each exchange, since loops do it by the hundred. */
  late(failure: Failure): void {
    if (this.isLate) return;
    // Who answers a request that was cut short, as soon as that is told, writes late through no fault of the app.
    if (failure.code === "LATE_WRITE" && this.isCutShort) return;
    this.isLate = true;
    this.supervisor.report(this, failure, this.supervisor.mode.late);
  }

  /** The request has not arrived as a whole, and will not. */
  protected get isCutShort(): boolean {
    return this.outcome === "client gone" || this.incident === "CLIENT_ERROR";
  }

  /** Not all of what the app has written is with the operating system, and it will not get there. */
  protected noteLost(): void {}

  /** The fate is known. @param complete - whether everything was handed to the operating system */
  settle(complete: boolean): void {
    if (this.phase.isSettled) return;
    if (!complete) this.noteLost();
    this.phase = this.phase.after[complete ? "flushed" : "gone"];
    if (!complete && this.outcome !== "torn down") this.outcome = "client gone";
    this.queue?.remove(this);
    if (this.sources !== undefined) leaveSources(this);
    this.supervisor.settled(this);
    this.admittedBy?.left(this);
    if (this.trace !== undefined) this.trace.exchange = null;
    if (complete) this.whenSettled?.();
    else this.clientLeft();
  }

  /** The client has left, as far as the app is concerned. */
  clientLeft(): void {
    this.abort(new RayguardError("ERR_RAYGUARD_CLIENT_GONE", ERROR_CODES.ERR_RAYGUARD_CLIENT_GONE));
  }

  /** Aborts `req.rayguard.signal`, also for whoever asks for it later. */
  abort(reason: RayguardError): void {
    ExchangeContext.abort(this.context, reason);
  }
}

/** What most exchanges never set takes no room in any of them. */
Object.assign(Exchange.prototype, {
  hasNodeResponse: false,
  quiet: false,
  activeAt: 0,
  isWatched: false,
  covered: null,
  admittedBy: null,
  watched: null,
  progress: 0,
  movedAt: 0,
  pending: null,
  isLate: false,
  hasFailed: false,
  shownLength: 0,
  unattended: 0,
  sources: undefined,
  slot: -1,
});
