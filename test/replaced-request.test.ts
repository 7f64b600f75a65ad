import { createServer, type IncomingMessage, ServerResponse } from "node:http";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

// The guard finds the exchange of a response by its request, which is a property that an app can set.

type Replace = (response: { req?: unknown }) => void;

const REPLACED: Record<string, Replace> = {
  "another object": (response) => {
    response.req = Object.create(response.req as object);
  },
  "no object": (response) => {
    response.req = "GET /";
  },
  nothing: (response) => {
    delete response.req;
  },
};

/** Replaces it as the response is made, in the listener, or when that has returned. */
const WHEN = ["as it is made", "in the listener", "later"] as const;

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** A server whose app promises more than it sends, and goes on behind the end of its response. */
function broken(
  replace: Replace,
  when: (typeof WHEN)[number],
): { server: ReturnType<typeof createServer>; codes: string[] } {
  class Made extends ServerResponse {
    constructor(...args: [IncomingMessage]) {
      super(...args);
      if (when === "as it is made") replace(this);
    }
  }
  const codes: string[] = [];
  const note = ({ code }: { code?: string }) => void codes.push(code ?? "");
  const logger = { info() {}, warn: note, error: note } as never;
  const server = createServer(
    { ServerResponse: Made as typeof ServerResponse },
    async (_request, response: ServerResponse) => {
      if (when === "in the listener") replace(response);
      await turn();
      if (when === "later") replace(response);
      response.setHeader("Content-Length", "10");
      response.end("four");
      await new Promise((resolve) => response.once("close", resolve));
      response.end("late");
    },
  );
  createGuard({ logger }).attach(server);
  return { server, codes };
}

describe.each(Object.keys(REPLACED))("a response whose request is replaced by %s", (name) => {
  it.each(WHEN)("%s is guarded like any other", async (when) => {
    const { server, codes } = broken(REPLACED[name] as Replace, when);
    const { responses, problems } = await exchange(await listen(server), GET + GET, { timeoutMs: 3_000 });
    expect(problems).toEqual([]);
    expect(responses.map(({ status }) => status)).toEqual([500, 500]);
    await expect.poll(() => codes.sort()).toEqual(["LATE_WRITE", "LATE_WRITE", "MC-5", "MC-5"]);
  });
});
