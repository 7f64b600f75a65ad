/** One way in which a process ends, or stands still, while clients wait for it. */
export interface Death {
  readonly name: string;
  /** What the process does, as the end of a sentence that begins with it. */
  readonly title: string;
  /** How it is brought about: a signal from outside, a request that the program dies of, or an order to replace it. */
  readonly by: "signal" | "request" | "order";
  /** Flags of `rayguard run`, where what it does by default would take too long to watch. */
  readonly keeper?: readonly string[];
  /** Kept, it costs no request, not even by a complete 503. */
  readonly isPlanned?: true;
}

/** What nothing inside a process can answer for, in the order of the table. */
export const DEATHS: readonly Death[] = [
  { name: "killed", title: "is killed (kill -9)", by: "signal" },
  { name: "out-of-memory", title: "runs out of memory (heap)", by: "request" },
  { name: "segmentation-fault", title: "has a segmentation fault", by: "request" },
  { name: "abort", title: "aborts (native assertion)", by: "request" },
  { name: "endless-loop", title: "is in an endless loop", by: "request", keeper: ["--blocked-ms", "1500"] },
  { name: "deploy-under-load", title: "is replaced (deploy)", by: "order", isPlanned: true },
];
