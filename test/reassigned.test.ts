import { createServer, type ServerResponse } from "node:http";
import { describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

// An app that takes the socket away from its response, and gives it back.

const FIRST = { path: "/" };
const NEXT = { path: "/next" };

type Use = (response: ServerResponse, giveBack: () => void) => unknown;

/** What a client gets of one request in this way, and of another on the same connection. */
async function outcome(mode: "bare" | "report" | "enforce", use: Use, requests: object[]) {
  const server = createServer((request, response) => {
    if (request.url === "/next") return response.end("next");
    const { socket } = request;
    response.detachSocket(socket);
    return use(response, () => response.assignSocket(socket));
  });
  const guard = mode === "bare" ? undefined : createGuard({ mode, logger: false, firstByteDeadlineMs: 50 });
  guard?.attach(server);
  const { responses } = await exchange(await listen(server), requests, { keepOpenMs: 1 });
  await expect.poll(() => guard?.stats().inFlight ?? 0).toBe(0);
  return responses.map(({ status, content }) => `${status} ${content}`);
}

const ANSWERS: Record<string, Use> = {
  "answers at once": (response, giveBack) => {
    giveBack();
    response.end("content");
  },
  "answers later on": (response, giveBack) => {
    setImmediate(() => {
      giveBack();
      response.end("content");
    });
  },
  "has begun to answer before": (response, giveBack) => {
    response.write("con");
    giveBack();
    setImmediate(() => response.end("tent"));
  },
};

const FAILS: Record<string, [status: number, use: Use]> = {
  "throws behind that": [
    500,
    (_response, giveBack) => {
      giveBack();
      throw new Error("of the app");
    },
  ],
  "destroys it": [
    500,
    (response, giveBack) => {
      response.write("con");
      giveBack();
      response.destroy();
    },
  ],
  "destroys the socket": [
    500,
    (response, giveBack) => {
      giveBack();
      response.socket?.destroy();
    },
  ],
  "does not answer": [503, (_response, giveBack) => giveBack()],
};

describe("an app that gives its response the socket back", () => {
  it.each(Object.entries(ANSWERS))("and %s has its connection go on", async (_way, use) => {
    const bare = await outcome("bare", use, [FIRST, NEXT]);
    expect(bare).toEqual(["200 content", "200 next"]);
    expect(await outcome("report", use, [FIRST, NEXT])).toEqual(bare);
    expect(await outcome("enforce", use, [FIRST, NEXT])).toEqual(bare);
  });

  it.each(Object.entries(FAILS))("and %s has its client answered", async (_way, [status, use]) => {
    const [answer, ...others] = await outcome("enforce", use, [FIRST]);
    expect(answer).toMatch(new RegExp(`^${status} `));
    expect(others).toEqual([]);
  });
});
