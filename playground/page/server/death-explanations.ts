import type { Explanation } from "./explanations.js";

const KEEP = "Start the program with rayguard run in place of node: docs/guides/keeper.md.";

export const DEATH_EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  killed: {
    what: "SIGKILL, as the OOM killer of the kernel sends it. Nothing inside the process runs any more: whoever waits is left alone, and nobody listens until the next process does.",
    guard:
      "The keeper holds a second descriptor of each connection: who waits gets a complete 503 at once; idle and new connections wait for the next process.",
    steps: [
      KEEP,
      "Look for oom-kill in the log of the kernel, and for OOMKilled in kubectl describe pod.",
      "--max-memory replaces a process in time, without losing a request.",
    ],
  },
  "out-of-memory": {
    what: "V8 finds no more room in its heap and aborts the process. There is no exception that could be caught.",
    guard: "The keeper answers for the process, and the next one starts with an empty heap.",
    steps: [
      KEEP,
      "--max-memory replaces a process in time, without losing a request.",
      "Take heap snapshots (--heapsnapshot-near-heap-limit=1) to find what is kept.",
    ],
  },
  "segmentation-fault": {
    what: "A fault in native code (image libraries, database drivers, profilers) ends the process between two instructions.",
    guard: "The keeper answers for the process, and logs each request with its Ray ID as KILLED.",
    steps: [KEEP, "Update the addon; a core dump, or --report-on-fatalerror, tells which one it was."],
  },
  abort: {
    what: "An assertion of Node's or of an addon's fails, and process.abort() is all that is left.",
    guard: "The keeper answers for the process, and logs each request with its Ray ID as KILLED.",
    steps: [KEEP, "The assertion is on stderr, with its file and line."],
  },
  "endless-loop": {
    what: "The process lives and does nothing else: no answer, no health check, no SIGTERM. A supervisor that waits for an end waits for ever.",
    guard:
      "The keeper notices that the event loop does not turn (--blocked-ms, 1.5 s here in place of 30 s), ends the process and answers for it.",
    steps: [
      KEEP,
      "watchdog: true logs the stack of the code that ran.",
      "Look for regular expressions that go back and forth, and for synchronous work over large input.",
    ],
  },
  "deploy-under-load": {
    what: "A new version takes over. Bare, SIGTERM ends the old process at once, and the new one takes half a second until it listens.",
    guard:
      "At SIGHUP the keeper starts the new process first; the old one finishes what it has, and idle connections go on with the new one.",
    steps: [
      "kill -HUP <pid of rayguard> once the new files are in place.",
      "Watch the log: it says which process retires.",
    ],
  },
};
