import { createServer, type ServerResponse } from "node:http";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

type Call = (response: ServerResponse) => unknown;

const CALLS: Record<string, Call> = {
  "write(3)": (response) => response.write(3 as never),
  "write(null)": (response) => response.write(null as never),
  "write({})": (response) => response.write({} as never),
  "end({})": (response) => response.end({} as never),
};

/** What a client gets, and what the app catches, where it calls in the middle of what is piped. */
async function outcome(mode: "bare" | "report" | "enforce", call: Call, isInPipe: boolean) {
  let caught: unknown;
  const server = createServer((_request, response) => {
    const attempt = () => {
      try {
        call(response);
      } catch (error) {
        caught = (error as { code: string }).code;
      }
    };
    const source = new PassThrough();
    // What is piped goes through code of the app, which calls while a chunk is on its way.
    const transform = new PassThrough({
      transform(chunk, _encoding, done) {
        if (isInPipe) attempt();
        done(null, chunk);
      },
    });
    source.pipe(transform).pipe(response);
    source.write("a");
    setImmediate(() => {
      if (!isInPipe) attempt();
      source.end("b");
    });
  });
  if (mode !== "bare") createGuard({ mode, logger: false }).attach(server);
  const { responses } = await exchange(await listen(server), { path: "/" }, { keepOpenMs: 1 });
  return { caught, answers: responses.map(({ status, content }) => `${status} ${content}`) };
}

describe.each(Object.entries(CALLS))("%s beside a source that is piped", (_call, call) => {
  it.each([
    ["beside the pipe", false],
    ["inside of it", true],
  ])("is thrown to the app, and the response goes on: %s", async (_where, isInPipe) => {
    const bare = await outcome("bare", call, isInPipe);
    expect(bare).toMatchObject({ caught: expect.any(String), answers: ["200 ab"] });
    expect(await outcome("report", call, isInPipe)).toEqual(bare);
    expect(await outcome("enforce", call, isInPipe)).toEqual(bare);
  });
});
