// The measured process. Plain JavaScript: a loader such as tsx would run, and cost, inside what is measured.
// usage: main.js <framework> <variant> [--count-timers], over IPC only.

const [framework, variant, ...flags] = process.argv.slice(2);

// Before the framework is imported, so that no timer escapes the count.
const timers = flags.includes("--count-timers") ? await import("./live-timers.js") : undefined;

const { start } = await import(`./${framework}.js`);

/** Responses nobody answers, kept here so that they stay alive while their memory is measured. */
const waiting = [];

const answers = {
  /** CPU time used so far, in microseconds. */
  cpu() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  /** Octets in use once garbage is collected. */
  async memory() {
    // More than once: finalizers and weak references free more on the next turn.
    for (let pass = 0; pass < 4; pass++) {
      globalThis.gc();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  },
  timers: () => timers.count(),
  waiting: () => waiting.length,
  async startProfile() {
    const { startProfile } = await import("./profiler.js");
    return startProfile();
  },
  async stopProfile() {
    const { stopProfile } = await import("./profiler.js");
    return stopProfile();
  },
};

const port = await start(variant, waiting);

process.on("message", async ({ id, question }) => {
  process.send({ id, answer: await answers[question]() });
});
process.on("disconnect", () => process.exit(0));
process.send({ port, pid: process.pid });
