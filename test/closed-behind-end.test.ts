import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { parseResponses } from "../src/testing/index.js";
import { type Framework, type Guarding, start } from "./helpers/told.js";

// An app that ends its response as it should, and then destroys what it came on.

vi.setConfig({ testTimeout: 30_000 });

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

type Exchange = { req: IncomingMessage; res: ServerResponse; socket: Socket };

const mine = () => new Error("mine");

const DESTROYS: Record<string, (exchange: Exchange) => unknown> = {
  "res.destroy()": ({ res }) => res.destroy(),
  "res.destroy(error)": ({ res }) => res.destroy(mine()),
  "req.destroy()": ({ req }) => req.destroy(),
  "req.destroy(error)": ({ req }) => req.destroy(mine()),
  "socket.destroy()": ({ socket }) => socket.destroy(),
  "socket.destroy(error)": ({ socket }) => socket.destroy(mine()),
  "socket.resetAndDestroy()": ({ socket }) => socket.resetAndDestroy(),
  "both of them, with an error each": ({ socket, res }) => {
    res.destroy(mine());
    socket.destroy(new Error("another"));
  },
};

const MOMENTS: Record<string, (exchange: Exchange, content: string, destroy: () => void) => void> = {
  "in the same turn": ({ res }, content, destroy) => {
    res.end(content);
    destroy();
  },
  "in the next tick": ({ res }, content, destroy) => {
    res.end(content);
    process.nextTick(destroy);
  },
  "in the next turn": ({ res }, content, destroy) => {
    res.end(content);
    setImmediate(destroy);
  },
  "as it finishes": ({ res }, content, destroy) => {
    res.once("finish", destroy);
    res.end(content);
  },
  "from the callback of end()": ({ res }, content, destroy) => void res.end(content, destroy),
  "behind content in pieces": ({ res }, content, destroy) => {
    res.write("first");
    res.end(content);
    destroy();
  },
};

const REQUESTS: Record<string, string> = {
  "a GET": "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "an upload that has arrived": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd",
  "an upload under way": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabcd",
};

const SMALL = "answer";
/** More than the operating system takes at once. */
const LARGE = "x".repeat(12_000_000);

type Way = {
  request: string;
  content: string;
  at: keyof typeof MOMENTS;
  destroy: keyof typeof DESTROYS;
  pipelined?: string;
};

/** What the app is told and finds, and what the client receives. */
async function run(framework: Framework, guarding: Guarding, { request, content, at, destroy, pipelined = "" }: Way) {
  const events: string[] = [];
  const note = (what: string) => (argument?: unknown) =>
    void events.push(`${what}${argument instanceof Error ? `: ${argument.message}` : ""}`);
  let exchange: Exchange | undefined;
  let isOver = () => {};
  const over = new Promise<void>((resolve) => {
    isOver = resolve;
  });
  const { port, close } = await start(framework, guarding, (req, res) => {
    const first = exchange === undefined;
    const which = first ? "" : "second ";
    for (const event of ["end", "aborted", "error", "close"]) req.on(event, note(`${which}request ${event}`));
    for (const event of ["prefinish", "finish", "error", "close"]) res.on(event, note(`${which}response ${event}`));
    if (!first) return void res.end("second");
    const { socket } = req;
    const made = { req, res, socket };
    exchange = made;
    req.resume();
    socket.on("error", note("socket error"));
    socket.on("close", (hadError) => note(`socket close ${hadError}`)());
    let isDone = false;
    let isClosed = false;
    res.once("close", () => {
      isClosed = true;
      if (isDone) isOver();
    });
    const act = () => {
      DESTROYS[destroy]?.(made);
      isDone = true;
      events.push(`destroyed: ${req.destroyed} ${res.destroyed} ${socket.destroyed} ${socket.writable}`);
      if (isClosed) isOver();
    };
    MOMENTS[at]?.(made, content, act);
  });
  closing.push(close);
  const client = connect({ port, host: "127.0.0.1" });
  let end = "open" as "fin" | "reset" | "open";
  client.on("error", () => {
    end = "reset";
  });
  closing.push(() => client.destroy());
  const chunks: Buffer[] = [];
  client.on("data", (octets) => chunks.push(octets));
  client.on("end", () => {
    end = "fin";
  });
  await once(client, "connect");
  client.write(request + pipelined);
  await over;
  // What came late would be told now.
  await settle();
  const { req, res } = exchange as unknown as Exchange;
  const told = {
    events: [...events],
    request: [req.aborted, req.destroyed, req.errored?.message, req.closed],
    response: [
      res.destroyed,
      (res as { errored?: Error }).errored?.message,
      res.writableEnded,
      res.writableFinished,
      res.closed,
    ],
  };
  if (told.events.some((event) => event.startsWith("socket close")) && !client.closed) await once(client, "close");
  return { told, octets: Buffer.concat(chunks), end };
}

async function settle(): Promise<void> {
  for (let turns = 5; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setTimeout(resolve, 10));
}

async function compare(framework: Framework, mode: "enforce" | "report", way: Way) {
  const bare = await run(framework, "bare", way);
  const guarded = await run(framework, mode, way);
  expect(byExchange(guarded.told)).toEqual(byExchange(bare.told));
  if (mode === "report") return;
  // A reset that wipes out what the client has not read is a visible break; it comes only where Node has let go of all of it.
  if (guarded.end === "reset" && way.at !== "in the same turn") return;
  const { responses, problems } = parseResponses(guarded.octets, { requests: [{ method: "GET" }], end: guarded.end });
  expect(problems).toEqual([]);
  expect(responses[0]?.text().endsWith(way.content)).toBe(true);
}

/** The order between two exchanges on one connection is nobody's promise. */
function byExchange<T extends { events: string[] }>(told: T) {
  const isSecond = (event: string) => event.startsWith("second");
  return { ...told, events: told.events.filter((event) => !isSecond(event)), second: told.events.filter(isSecond) };
}

const MODES = ["enforce", "report"] as const;

describe.each(Object.keys(DESTROYS))("%s behind the end of a response", (destroy) => {
  describe.each(Object.keys(MOMENTS))("%s", (at) => {
    it.each(MODES)("node:http, %s", async (mode) => {
      for (const request of Object.values(REQUESTS))
        await compare("node", mode, { request, content: SMALL, at, destroy });
    });
  });

  it.each(MODES)("of one that has not left, in mode %s", async (mode) => {
    for (const at of ["in the same turn", "in the next turn"])
      for (const request of Object.values(REQUESTS))
        await compare("node", mode, { request, content: LARGE, at, destroy });
  });

  it.each(["express4", "express5", "fastify"] as const)("%s", async (framework) => {
    for (const mode of MODES)
      for (const at of ["in the same turn", "as it finishes"])
        for (const content of [SMALL, LARGE])
          await compare(framework, mode, { request: REQUESTS["a GET"] as string, content, at, destroy });
  });
});

it.each(MODES)("what is pipelined behind it is told that it is gone, in mode %s", async (mode) => {
  for (const content of [SMALL, LARGE])
    for (const destroy of Object.keys(DESTROYS)) {
      const request = REQUESTS["a GET"] as string;
      await compare("node", mode, { request, content, at: "in the same turn", destroy, pipelined: request });
    }
});
