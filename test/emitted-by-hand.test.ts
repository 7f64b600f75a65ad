import { EventEmitter } from "node:events";
import http, { IncomingMessage, ServerResponse } from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { type Server, Socket } from "node:net";
import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";

// Tests of apps, and a client that stands in for a connection, emit events of a server with whatever they have.

const SERVERS: Record<string, () => Server> = {
  http: () => http.createServer(),
  https: () => https.createServer(),
  http2: () => http2.createServer(),
  "http2, secure": () => http2.createSecureServer({ allowHTTP1: true }),
};

const EVENTS = [
  ...["request", "checkContinue", "checkExpectation", "connection", "secureConnection", "listening", "clientError"],
  ...["dropRequest", "upgrade", "connect", "timeout", "tlsClientError", "session", "stream", "sessionError", "close"],
];

const ARGUMENTS: Record<string, () => unknown[]> = {
  nothing: () => [],
  null: () => [null, null],
  records: () => [{}, {}, {}],
  texts: () => ["a", "b"],
  emitters: () => [new EventEmitter(), new EventEmitter()],
  "an error": () => [new Error("x")],
  "a socket": () => [new Socket()],
  "a request and a response": () => {
    const request = new IncomingMessage(new Socket());
    return [request, new ServerResponse(request)];
  },
};

/** What whoever emits gets to see, and how often a listener was called. */
async function emitted(make: () => Server, event: string, args: unknown[], mode?: "enforce" | "report") {
  const server = make();
  let calls = 0;
  server.on(event, () => {
    calls++;
  });
  const guard = mode && createGuard({ mode, logger: false, shutdown: false, crash: false });
  guard?.attach(server as never);
  for (const one of args) if (one instanceof EventEmitter) one.on("error", () => {});
  let thrown: unknown;
  try {
    server.emit(event, ...args);
  } catch (error) {
    thrown = String(error);
  }
  // A timeout is told of once what has arrived was read.
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  const seen = { calls, thrown };
  guard?.close();
  return seen;
}

describe.each(Object.keys(SERVERS))("a server of %s", (kind) => {
  it.each(EVENTS)("tells of %s that is emitted by hand what it was given", async (event) => {
    const make = SERVERS[kind] as () => Server;
    for (const [what, args] of Object.entries(ARGUMENTS)) {
      // Bare Node makes a connection of it, and ends on that.
      if (/onnection$/.test(event) && ["emitters", "a request and a response"].includes(what)) continue;
      const bare = await emitted(make, event, args());
      for (const mode of ["enforce", "report"] as const)
        expect({ what, mode, ...(await emitted(make, event, args(), mode)) }).toEqual({ what, mode, ...bare });
    }
  });
});

describe.each(["enforce", "report"] as const)(
  "a request that an app emits without a connection, in mode %s",
  (mode) => {
    it.each<[string, () => unknown]>([
      ["null", () => null],
      ["a record", () => ({ remoteAddress: "127.0.0.1" })],
      ["a socket that is not connected", () => new Socket()],
    ])("is answered where its response goes, and is over: %s for a socket", async (_what, socket) => {
      const incidents: unknown[] = [];
      const note = ({ code }: { code?: string }) => void (code !== undefined && incidents.push(code));
      const logger = { info: note, warn: note, error: note } as never;
      const guard = createGuard({ mode, logger, shutdown: false, crash: false });
      const server = guard.attach(http.createServer(guard.listener((_request, response) => response.end("answer"))));
      const request = new IncomingMessage(socket() as Socket);
      request.method = "GET";
      const response = new ServerResponse(request);
      let octets = "";
      const sink = new Writable({
        write(chunk, _encoding, done) {
          octets += chunk;
          done();
        },
      });
      response.assignSocket(sink as Socket);
      const finished = new Promise((resolve) => response.once("finish", resolve));
      server.emit("request", request, response);
      await finished;
      expect(octets).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nanswer$/);
      expect({ incidents, inFlight: guard.stats().inFlight }).toEqual({ incidents: [], inFlight: 0 });
      guard.close();
    });
  },
);
