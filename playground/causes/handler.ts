import type { ServerResponse } from "node:http";
import { pipeline, Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type Cause, delay } from "./cause.js";

/** Code that throws, hangs or answers more than once. */
export const handlerCauses: readonly Cause[] = [
  {
    name: "no-answer",
    title: "handler that never answers",
    waits: true,
    handler: () => {},
  },
  {
    name: "throw",
    title: "dying in mid-response: throw after a write",
    handler(_request, response) {
      response.write("the first part, ");
      throw new Error("the second part is missing");
    },
  },
  {
    name: "reject",
    title: "dying in mid-response: rejection after a write",
    async handler(_request, response) {
      response.write("the first part, ");
      await delay(5);
      throw new Error("the second part is missing");
    },
  },
  {
    name: "stream-early",
    title: "stream that fails before its first octet",
    handler(_request, response) {
      const source = new Readable({ read: () => source.destroy(new Error("no such object")) });
      pipeline(source, response, () => {});
    },
  },
  {
    name: "stream-midway",
    title: "stream that fails in mid-content",
    waits: true,
    handler: (_request, response) => pipeUnwatched(failingAfter(20_000, nextTurn), response),
  },
  {
    name: "two-answers",
    title: "two answers, another request in flight",
    probe: "bystander",
    handler(_request, response) {
      response.end("the first answer");
      response.end("the second answer");
    },
  },
  {
    name: "late-error",
    title: "late error, next request on the connection",
    probe: "next",
    // Late enough for the next request to be there, on a busy machine as well, and before its answer is (`SLOW_MS`).
    async handler(_request, response) {
      response.end("the answer");
      await delay(400);
      throw new Error("the audit log is full");
    },
    // Fastify only logs a late rejection; there it is clean-up code that comes too late.
    async fastify(request, reply) {
      reply.send("the answer");
      await delay(400);
      request.raw.socket.destroy();
    },
  },
];

/** What no guard can take back any more: of these, a visible break is all that is left. */
export const lateCauses: readonly Cause[] = [
  {
    name: "stream-late",
    title: "stream that fails when 200 kB are out",
    waits: true,
    mayBreak: true,
    // More than a guard holds back, and for longer, so that part of the content is on its way when the source fails.
    handler: (_request, response) =>
      pipeUnwatched(
        failingAfter(200_000, () => delay(200)),
        response,
      ),
  },
];

/** A mistake found in many apps: `pipe()` does not pass the failure of its source on. */
function pipeUnwatched(content: AsyncIterable<Buffer>, response: ServerResponse): void {
  const source = Readable.from(content);
  source.on("error", () => {});
  source.pipe(response);
}

async function* failingAfter(octets: number, pause: () => Promise<unknown>) {
  yield Buffer.alloc(octets, "x");
  await pause();
  throw new Error("the disk is gone");
}
