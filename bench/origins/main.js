// The measured process. Plain JavaScript: a loader such as tsx would run, and cost, inside what is measured.
// usage: main.js <framework> <variant> [--count-timers], over IPC only.

const [framework, variant, ...flags] = process.argv.slice(2);

// Before the framework is imported, so that no timer escapes the count.
const timers = flags.includes("--count-timers") ? await import("./live-timers.js") : undefined;

const { start } = await import(`./${framework}.js`);

/** Responses nobody answers, kept here so that they stay alive while their memory is measured. */
const waiting = [];

async function collect(times) {
  for (let pass = 0; pass < times; pass++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const answers = {
  /** CPU time used so far, in microseconds. */
  cpu() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  /** Octets in use once garbage is collected. */
  async memory() {
    await collect(4); // finalizers and weak references free more on the next turn
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  },
  /**
   * Collects garbage while there is no request. V8 forgets what no object shows any more, such as the shape of those that
   * `process.nextTick()` makes, and Node is slower then. Whether it happens by itself in front of a measurement, or during
   * one, is chance.
   */
  async idle() {
    await collect(8);
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
