/**
 * The state of a response, and all that decides what may still become of it.
 *
 * A response stands in one phase, which is one row of the table below. An *event* leads from one row to the next; one that
 * a row does not name changes nothing. What is to be done about a failure is the *remedy*: `remedyFor()` finds it from the
 * phase, one place has it carried out (`failing.ts`), and that is the next event. So four things can become of a response:
 * the app's own is complete (*ended*), the guard's is (*answered*), it is visibly broken off (*cut*), or nobody waits for it
 * (*passed*, or settled from anywhere else since the client is gone).
 *
 * Nothing here knows a protocol, a mode or a log. Model: h11's `_state.py`.
 */
export type PhaseName =
  /** Nothing is decided. */
  | "open"
  /** The header section is decided, and perhaps content; all of it is still here. */
  | "held"
  /** It has failed before anything was out, and a method of the app is on the stack: what is done about it waits for that. */
  | "failing"
  /** Part of it has been handed to the connection. */
  | "sent"
  /** It has failed with part of it out, and a method of the app is on the stack. */
  | "breaking"
  /** All of it has been handed to the connection. */
  | "ended"
  /** Another complete answer stands in its place: the guard's, or one that the app has written to the socket. */
  | "answered"
  /** It is broken off, so that nobody takes it for complete. */
  | "cut"
  /** Nothing will be sent: the connection has announced its end, or belongs to somebody else. */
  | "passed"
  /** Its fate is known and told; the last word was the app's own. */
  | "settled"
  /** Its fate is known and told; the last word was not the app's. */
  | "void";

export type Event =
  /** The app has decided the header section. */
  | "headers"
  /** Octets of it are handed to the connection. */
  | "commit"
  /** The last of them is. */
  | "end"
  /** It cannot be saved. */
  | "fail"
  /** Another answer is written in its place. */
  | "replace"
  /** It is broken off. */
  | "cut"
  /** It is left without an answer. */
  | "pass"
  /** All of it is with the operating system. */
  | "flushed"
  /** The connection is gone. */
  | "gone";

/** What a failure leads to. */
export type Remedy =
  /** It goes on as it would without the guard: nobody is left to see the difference. */
  | "pass"
  /** The recipient has all that was announced: only the end is missing. */
  | "finish"
  /** Another answer takes its place. */
  | "replace"
  /** It is broken off. */
  | "cut"
  /** Its fate is decided already. */
  | "ignore";

/** One row of the table. */
export interface Phase {
  readonly name: PhaseName;
  /** Octets of a final response have been handed to the connection. */
  readonly isCommitted: boolean;
  /** What the app writes goes nowhere. */
  readonly discards: boolean;
  /** It is out of the app's hands: whatever the app still does to it is void. */
  readonly isVoid: boolean;
  /** Nothing more is to come of it. */
  readonly isOver: boolean;
  /** Its fate is known and told. */
  readonly isSettled: boolean;
  /** The phase behind each event. */
  readonly after: Readonly<Record<Event, Phase>>;
}

export const EVENTS: readonly Event[] = [
  "headers",
  "commit",
  "end",
  "fail",
  "replace",
  "cut",
  "pass",
  "flushed",
  "gone",
];

const SETTLES = { flushed: "settled", gone: "settled" } as const;
const IS_VOID = { flushed: "void", gone: "void" } as const;
const REMEDIES = { replace: "answered", cut: "cut" } as const;

/** What an event leads to. */
export const TABLE: Readonly<Record<PhaseName, Partial<Record<Event, PhaseName>>>> = {
  open: { headers: "held", commit: "sent", fail: "failing", pass: "passed", ...REMEDIES, ...SETTLES },
  held: { commit: "sent", fail: "failing", pass: "passed", ...REMEDIES, ...SETTLES },
  failing: { pass: "passed", ...REMEDIES, ...IS_VOID },
  sent: { end: "ended", fail: "breaking", pass: "passed", ...REMEDIES, ...SETTLES },
  // What is behind the announced end is dropped, and the response is whole.
  breaking: { end: "ended", pass: "passed", ...REMEDIES, ...IS_VOID },
  ended: { pass: "passed", ...SETTLES },
  answered: IS_VOID,
  cut: IS_VOID,
  passed: IS_VOID,
  settled: {},
  void: {},
};

const COMMITTED: ReadonlySet<PhaseName> = new Set(["sent", "breaking", "ended", "answered", "cut", "settled", "void"]);
const DISCARDS: ReadonlySet<PhaseName> = new Set(["failing", "breaking", "answered", "cut", "passed", "void"]);
const VOID: ReadonlySet<PhaseName> = new Set(["answered", "cut", "passed", "void"]);
const SETTLED: ReadonlySet<PhaseName> = new Set(["settled", "void"]);
const OVER: ReadonlySet<PhaseName> = new Set(["ended", "answered", "cut", "passed", "settled", "void"]);

/** The rows, each of which knows the next: an event costs two reads and no look-up. */
export const PHASES: Readonly<Record<PhaseName, Phase>> = rows();

function rows(): Record<PhaseName, Phase> {
  const names = Object.keys(TABLE) as PhaseName[];
  const made = names.map((name) => ({
    name,
    isCommitted: COMMITTED.has(name),
    discards: DISCARDS.has(name),
    isVoid: VOID.has(name),
    isOver: OVER.has(name),
    isSettled: SETTLED.has(name),
    after: {} as Record<Event, Phase>,
  }));
  const byName = Object.fromEntries(made.map((row) => [row.name, row])) as unknown as Record<PhaseName, Phase>;
  for (const row of made) {
    for (const event of EVENTS) row.after[event] = byName[TABLE[row.name][event] ?? row.name];
    // Who prints a row wants that one.
    Object.defineProperty(row, "after", { enumerable: false });
  }
  return byName;
}

/** What beside the phase decides about a failure. */
export interface Circumstances {
  /** Part of the response may be with the recipient; false while it waits behind another one on its connection. */
  readonly isOut: boolean;
  /** All the content that was announced is. */
  readonly isWhole: boolean;
  /** The client has left, and nobody waits for an answer. */
  readonly isLeft: boolean;
}

/** What a failure of a response leads to. */
export function remedyFor({ isOver, isCommitted }: Phase, { isOut, isWhole, isLeft }: Circumstances): Remedy {
  if (isOver) return "ignore";
  if (isLeft) return "pass";
  if (!isOut) return "replace";
  return isCommitted && isWhole ? "finish" : "cut";
}
