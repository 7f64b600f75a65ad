import { once } from "node:events";
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";

type Mode = "bare" | "report" | "enforce";
type End = (session: ServerHttp2Session, socket: Socket) => unknown;

const ENDS: Record<string, End> = {
  "session.destroy()": (session) => session.destroy(),
  "session.destroy(error)": (session) => session.destroy(new Error("mine")),
  "session.destroy(code)": (session) => session.destroy(7 as never),
  "socket.destroy()": (_session, socket) => socket.destroy(),
  "socket.end()": (_session, socket) => socket.end(),
  "socket.destroySoon()": (_session, socket) => socket.destroySoon(),
  "socket.resetAndDestroy()": (_session, socket) => socket.resetAndDestroy(),
  "socket.destroy(error)": (_session, socket) => socket.on("error", () => {}).destroy(new Error("mine")),
};

function codeOf(call: () => unknown): unknown {
  try {
    call();
    return "returned";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

/** What an app finds of its session and stream, in the turn in which it has ended the session. */
function findings(session: ServerHttp2Session, stream: ServerHttp2Stream | undefined): unknown[] {
  const found: unknown[] = [session.destroyed, session.closed];
  found.push(codeOf(() => session.ping(() => {})));
  if (stream === undefined) return found;
  found.push(stream.session === undefined, stream.destroyed, stream.closed, Object.keys(stream.state));
  return [...found, codeOf(() => stream.additionalHeaders({ ":status": 103 })), codeOf(() => stream.respond())];
}

/** @param isIdle - the request has been answered before */
async function outcome(mode: Mode, end: End, isIdle: boolean): Promise<unknown[]> {
  const server = http2.createServer();
  if (mode !== "bare") createGuard({ mode, logger: false, shutdown: false }).attach(server);
  let socket: Socket | undefined;
  server.on("connection", (accepted) => {
    socket = accepted;
  });
  const told: unknown[] = [];
  let closed = () => {};
  const sessionClosed = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const found = new Promise<unknown[]>((resolve) => {
    server.on("session", (session) => {
      session.on("error", (error) => told.push(String(error)));
      session.on("close", closed);
    });
    server.on("stream", (stream) => {
      const { session } = stream as unknown as { session: ServerHttp2Session };
      stream.on("error", () => {});
      const act = () => {
        end(session, socket as Socket);
        resolve(findings(session, isIdle ? undefined : stream));
      };
      if (!isIdle) return act();
      stream.on("close", () => setImmediate(act));
      stream.respond({}, { endStream: true });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  client.on("error", () => {});
  client
    .request()
    .on("error", () => {})
    .resume();
  const seen = await found;
  await sessionClosed;
  client.destroy();
  await new Promise((resolve) => server.close(resolve));
  return [...seen, told];
}

describe.each(Object.entries(ENDS))("an app that ends a session by %s", (_how, end) => {
  it.each(["report", "enforce"] as const)("finds in mode %s what it finds without a guard", async (mode) => {
    expect(await outcome(mode, end, false)).toEqual(await outcome("bare", end, false));
  });

  it.each(["report", "enforce"] as const)("finds that too where nothing is owed, in mode %s", async (mode) => {
    expect(await outcome(mode, end, true)).toEqual(await outcome("bare", end, true));
  });
});

describe("an answer that is cut short by the end of its session", () => {
  const BREAKS: Record<string, (session: ServerHttp2Session) => void> = {
    "session.destroy(CANCEL)": (session) => session.destroy(http2.constants.NGHTTP2_CANCEL as never),
    "session.destroy(error, CANCEL)": (session) => session.destroy(new Error("mine"), http2.constants.NGHTTP2_CANCEL),
    "session.destroy(error)": (session) => session.destroy(new Error("mine")),
  };

  async function codeAt(mode: Mode, end: (session: ServerHttp2Session) => void): Promise<number | undefined> {
    const server = http2.createServer();
    if (mode !== "bare") createGuard({ mode, logger: false, shutdown: false }).attach(server);
    server.on("session", (session) => session.on("error", () => {}));
    server.on("stream", (stream) => {
      stream.on("error", () => {}).respond({ ":status": 200 });
      stream.write("begun");
      setTimeout(() => end(stream.session as ServerHttp2Session), 60);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    client.on("error", () => {});
    const request = client.request({ ":path": "/" });
    request.on("error", () => {}).resume();
    await new Promise((resolve) => request.on("close", resolve));
    client.destroy();
    server.close();
    return request.rstCode;
  }

  it.each(Object.entries(BREAKS))("by %s has the code of that", async (_what, end) => {
    const bare = await codeAt("bare", end);
    expect(bare).toBeGreaterThan(0);
    expect([await codeAt("report", end), await codeAt("enforce", end)]).toEqual([bare, bare]);
  });
});
