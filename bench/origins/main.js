// The measured process. Plain JavaScript: a loader such as tsx would run, and cost, inside what is measured.
// usage: main.js <framework> <variant> [--count-timers], over IPC only.

const [framework, variant, ...flags] = process.argv.slice(2);

// Before the framework is imported, so that no timer escapes the count.
const timers = flags.includes("--count-timers") ? await import("./live-timers.js") : undefined;

const { start } = await import(`./${framework}.js`);

/** Responses nobody answers, kept here so that they stay alive while their memory is measured. */
const waiting = [];

const port = await start(variant, waiting);

process.on("message", async ({ id, question }) => {
  process.send({ id, answer: await answer(question) });
});
process.on("disconnect", () => process.exit(0)); // an orderly exit writes the CPU profile
process.send({ ready: true, port });

async function answer(question) {
  switch (question) {
    case "cpu": {
      const { user, system } = process.cpuUsage();
      return user + system;
    }
    case "memory": {
      await collectGarbage();
      const { heapUsed, external } = process.memoryUsage();
      return { waiting: waiting.length, octets: heapUsed + external };
    }
    case "timers":
      return { waiting: waiting.length, timers: timers.count() };
    default:
      throw new Error(`no answer to ${question}`);
  }
}

/** More than once: finalizers and weak references free more on the next turn. */
async function collectGarbage() {
  for (let pass = 0; pass < 4; pass++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
