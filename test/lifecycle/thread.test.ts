import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, it } from "vitest";
import { exchange } from "../../src/testing/index.js";
import { program } from "../helpers/program.js";

// What the thread that made a server's thread hears of its end.

const file = await program(new URL("thread-origin.ts", import.meta.url));

/** Makes an origin server in a thread throw. @returns what its thread tells, and the statuses of its responses */
async function throwIn(kind: "guarded" | "bare", meanwhile: string[] = []) {
  const thread = new Worker(file, { workerData: kind, execArgv: [], stderr: true });
  const errors: unknown[] = [];
  thread.on("error", (error) => errors.push(error));
  let stderr = "";
  thread.stderr.on("data", (octets) => {
    stderr += octets;
  });
  const exit = new Promise<number>((resolve) => thread.on("exit", resolve));
  const [port] = (await once(thread, "message")) as [number];
  const paths = [...meanwhile, "/throw"];
  const answers = await Promise.all(paths.map((path) => exchange({ port }, { path })));
  const code = await exit;
  return { code, errors: errors.map(String), stderr, statuses: answers.map(({ responses }) => responses[0]?.status) };
}

it.each(["guarded", "bare"] as const)("an exception is the error of its thread, %s", async (kind) => {
  const { code, errors, stderr, statuses } = await throwIn(kind);
  expect({ code, errors, stderr }).toEqual({ code: 1, errors: ["TypeError: thrown in a thread"], stderr: "" });
  expect(statuses).toEqual([kind === "guarded" ? 500 : undefined]);
});

it("an exception is the error of its thread once the other requests are answered", async () => {
  const { code, errors, statuses } = await throwIn("guarded", ["/slow"]);
  expect({ code, errors }).toEqual({ code: 1, errors: ["TypeError: thrown in a thread"] });
  expect(statuses).toEqual([200, 500]);
});
