import events, { captureRejectionSymbol } from "node:events";
import type { Http2Server, Http2ServerRequest, Http2ServerResponse, ServerHttp2Stream } from "node:http2";
import { afterEach, describe, expect, it } from "vitest";
import type { GuardOptions } from "../src/index.js";
import { seen, send, start, stopAll } from "./helpers/http2.js";

afterEach(async () => {
  events.captureRejections = false;
  await stopAll();
});

type Handler = (error: Error, event: string, ...args: never[]) => void;

/** An app with async listeners; `told` notes what it is told. */
interface App {
  readonly set: (server: Http2Server, told: string[]) => void;
  readonly headers?: Record<string, string>;
}

const rejects = () => Promise.reject(new Error("mine"));

function handle(emitter: object, told: string[], who: string, answer: Handler): void {
  const handler = (error: Error, event: string, ...args: never[]) => {
    told.push(`${who}: ${error.message}, ${event}`);
    answer(error, event, ...args);
  };
  Object.defineProperty(emitter, captureRejectionSymbol, { value: handler, configurable: true });
}

const onStream: Handler = (_error, _event, stream: ServerHttp2Stream) => {
  stream.respond({ ":status": 418 });
  stream.end("own");
};
const onRequest: Handler = (_error, _event, _request: Http2ServerRequest, response: Http2ServerResponse) =>
  void response.writeHead(418).end("own");

const APPS: Readonly<Record<string, App>> = {
  "a listener of stream": { set: (server) => void server.on("stream", rejects) },
  "a listener of request": { set: (server) => void server.on("request", rejects) },
  "a listener of stream that has begun to answer": {
    set: (server) =>
      void server.on("stream", async (stream) => {
        stream.on("error", () => {});
        stream.respond({ ":status": 200, "content-type": "text/event-stream" });
        stream.write("part");
        await rejects();
      }),
  },
  "a handler of the server's own for stream": {
    set: (server, told) => {
      handle(server, told, "server", onStream);
      server.on("stream", rejects);
    },
  },
  "a handler of the server's own for request": {
    set: (server, told) => {
      handle(server, told, "server", onRequest);
      server.on("request", rejects);
    },
  },
  "a handler of the server's own for checkContinue": {
    headers: { expect: "100-continue" },
    set: (server, told) => {
      handle(server, told, "server", onRequest);
      server.on("checkContinue", rejects);
      server.on("request", () => {});
    },
  },
  "two listeners, one of which answers": {
    set: (server, told) => {
      handle(server, told, "server", () => {});
      server.on("stream", (stream) => onStream(new Error(), "", stream as never));
      server.on("stream", rejects);
    },
  },
  "a handler of the stream": {
    set: (server, told) =>
      void server.on("stream", (stream) => {
        handle(stream, told, "stream", () => onStream(new Error(), "", stream as never));
        stream.on("mine", rejects);
        stream.emit("mine");
      }),
  },
  "a handler of the request": {
    set: (server, told) =>
      void server.on("request", (request, response) => {
        handle(request, told, "request", () => response.end("own"));
        request.on("mine", rejects);
        request.emit("mine");
      }),
  },
  "a handler of the session": {
    set: (server, told) =>
      void server.on("session", (session) => {
        handle(session, told, "session", onStream);
        session.on("stream", rejects);
      }),
  },
};

async function show({ set, headers }: App, options?: GuardOptions) {
  const told: string[] = [];
  events.captureRejections = true;
  const { client, incidents } = await start((server) => {
    server.on("sessionError", () => {});
    set(server, told);
  }, options);
  const stream = send(client, undefined, headers);
  const shown = await seen(stream);
  events.captureRejections = false;
  return { told, shown, codes: incidents.map(({ code }) => code) };
}

describe("an app over HTTP/2 that captures the rejections of its listeners", () => {
  it.each(Object.keys(APPS))("has them handled as without the guard: %s", async (how) => {
    const app = APPS[how] as App;
    const bare = await show(app);
    for (const mode of ["enforce", "report"] as const) {
      const { told, shown, codes } = await show(app, { mode, firstByteDeadlineMs: 1_000 });
      expect({ mode, told, shown }).toEqual({ mode, told: bare.told, shown: bare.shown });
      // A response that is broken off is told.
      expect({ mode, codes }).toEqual({ mode, codes: how.includes("begun") ? ["MC-2"] : [] });
    }
  });

  it("is answered for where nobody else answers", async () => {
    const { shown } = await show(
      {
        set: (server, told) => {
          handle(server, told, "server", () => {});
          server.on("stream", rejects);
        },
      },
      { firstByteDeadlineMs: 50 },
    );
    expect(shown).toMatchObject({ status: 503, complete: true });
  });
});
