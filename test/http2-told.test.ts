import { once } from "node:events";
import http2, {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Stream,
} from "node:http2";
import { type AddressInfo, connect, type Socket } from "node:net";
import fastify from "fastify";
import { afterAll, describe, expect, it, vi } from "vitest";
import fastifyGuard from "../adapters/fastify.js";
import { createGuard, type GuardOptions } from "../src/index.js";
import { seen, send, start, stopAll } from "./helpers/http2.js";

const { constants } = http2;

afterAll(stopAll);

/** What an app can do with a request: the objects of the compatibility API are there where it has them. */
type App = (stream: ServerHttp2Stream, request?: Http2ServerRequest, response?: Http2ServerResponse) => unknown;

interface Client {
  readonly stream: ClientHttp2Stream;
  readonly session: ClientHttp2Session;
  readonly socket: Socket;
}

interface Objects {
  readonly request?: Http2ServerRequest | undefined;
  readonly response?: Http2ServerResponse | undefined;
  /** The socket below the session. */
  readonly socket?: Socket | undefined;
}

/** A way for a request to end. */
interface Way {
  readonly app?: App;
  /** What the client does once the request has arrived. */
  readonly client?: (client: Client) => unknown;
  /** What the app does then. */
  readonly does?: (stream: ServerHttp2Stream, server: Http2Server, objects: Objects) => unknown;
  readonly endsSession?: boolean;
  /** Octets of an upload that never ends. */
  readonly upload?: number;
}

const APIS = ["core", "compat", "both", "fastify"] as const;
type Api = (typeof APIS)[number];

const OPTIONS: GuardOptions = { logger: false, shutdown: false, crash: false, trust: "loopback" };

async function serve(api: Api, mode: "bare" | "enforce" | "report", app: App): Promise<[Http2Server, () => unknown]> {
  if (api === "fastify") {
    const instance = fastify({ http2: true } as never);
    if (mode !== "bare") await instance.register(fastifyGuard as never, { ...OPTIONS, mode } as never);
    instance.addContentTypeParser("*", (_request: unknown, _payload: unknown, done: (error: null) => void) =>
      done(null),
    );
    instance.all("/", (request, reply) => {
      reply.hijack();
      const { raw } = reply as unknown as { raw: Http2ServerResponse };
      app(raw.stream, request.raw as unknown as Http2ServerRequest, raw);
    });
    await instance.listen({ port: 0, host: "127.0.0.1" });
    return [instance.server as unknown as Http2Server, () => instance.close()];
  }
  const server = http2.createServer();
  if (api !== "compat") server.on("stream", (stream) => api === "core" && app(stream));
  if (api !== "core") server.on("request", (request, response) => app(response.stream, request, response));
  const guard = mode === "bare" ? undefined : createGuard({ ...OPTIONS, mode });
  guard?.attach(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return [server, () => new Promise((resolve) => server.close(() => resolve(guard?.close())))];
}

const STREAM = ["aborted", "close", "end", "error", "finish", "timeout"];
const REQUEST = ["aborted", "close", "end", "error"];
const RESPONSE = ["close", "error", "finish", "aborted", "timeout"];
const SESSION = ["close", "error", "timeout", "goaway", "frameError"];

const SESSION_EVENT = /^(?:session|server) /;

/** Everything an app is told of one request, in order, and what it finds in the end. */
async function told(api: Api, mode: "bare" | "enforce" | "report", way: Way) {
  const events: string[] = [];
  const note = (
    who: string,
    from: { on(name: string, listener: (value?: unknown) => void): unknown },
    names: string[],
  ) => {
    for (const name of names) from.on(name, (value) => events.push(`${who} ${name}${named(value)}`));
  };
  let arrive = (_stream: ServerHttp2Stream) => {};
  const arrived = new Promise<ServerHttp2Stream>((resolve) => {
    arrive = resolve;
  });
  let below: Socket | undefined;
  let objects: Objects = {};
  const [server, close] = await serve(api, mode, (stream, request, response) => {
    objects = { request, response };
    note("stream", stream as never, STREAM);
    if (request !== undefined) note("request", request as never, REQUEST);
    if (response !== undefined) note("response", response as never, RESPONSE);
    way.app?.(stream, request, response);
    arrive(stream);
  });
  const ended = once(server, "session").then(([served]) => {
    note("session", served, SESSION);
    return once(served, "close").catch(() => {});
  });
  server.on("sessionError", (error) => events.push(`server sessionError${named(error)}`));
  server.on("connection", (accepted) => {
    below = accepted;
  });
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1").on("error", () => {});
  const session = http2.connect("http://localhost", { createConnection: () => socket }).on("error", () => {});
  const { upload } = way;
  const stream = session.request(
    { ":path": "/", ":method": upload === undefined ? "GET" : "POST", "content-type": "x/x" },
    { endStream: upload === undefined },
  );
  stream.on("error", () => {}).resume();
  const part = way.app === streams && once(stream, "data");
  if (upload !== undefined) stream.write(Buffer.alloc(upload));
  const served = await arrived;
  const closed = served.closed && served.destroyed ? null : once(served, "close").catch(() => {});
  // An upload has arrived, and what the app has written is out.
  await part;
  await new Promise<void>((resolve) => {
    session.ping(() => resolve());
  });
  way.does?.(served, server, { ...objects, socket: below });
  way.client?.({ stream, session, socket });
  const isOver = await Promise.race([
    way.endsSession ? ended : closed,
    new Promise((resolve) => setTimeout(resolve, 300, false)),
  ]);
  if (isOver === false) events.push("...");
  // What is told of an end of the test's own is of no interest.
  const sessionEvents = events.filter((event) => SESSION_EVENT.test(event));
  session.destroy();
  socket.destroy();
  await ended;
  await new Promise((resolve) => setImmediate(resolve));
  const { request, response } = objects;
  const seen = {
    // What is told of the session, and what of the rest: whether a request ends before or after its session is left open.
    events: events.filter((event) => !SESSION_EVENT.test(event)),
    session: [...new Set(sessionEvents)],
    stream: stateOf(served, ["aborted", "closed", "destroyed", "rstCode", "readableEnded", "writableEnded", "errored"]),
    request: stateOf(request, ["aborted", "complete", "destroyed", "readableEnded", "errored"]),
    response: stateOf(response, ["headersSent", "finished", "writableEnded", "writableFinished", "destroyed"]),
  };
  await close();
  return seen;
}

function named(error: unknown): string {
  return error instanceof Error ? `: ${(error as { code?: string }).code ?? ""} ${error.message}` : "";
}

function stateOf(from: object | undefined, names: string[]): Record<string, unknown> {
  const state: Record<string, unknown> = {};
  for (const name of names) {
    const value = from && Reflect.get(from, name);
    state[name] = value instanceof Error ? named(value) : value;
  }
  return state;
}

const nothing = () => {};
const reads: App = (stream, request) => (request ?? stream).resume();
const streams: App = (stream, request, response) => {
  reads(stream, request);
  if (response !== undefined) return response.writeHead(200).write("part");
  stream.respond({ ":status": 200 });
  return stream.write("part");
};
const APPS: Readonly<Record<string, Pick<Way, "app" | "upload">>> = {
  "GET, waiting": { app: nothing },
  "GET, answer under way": { app: streams },
  "upload not read": { app: nothing, upload: 1_000 },
  "upload read": { app: reads, upload: 1_000 },
  "upload read, answer under way": { app: streams, upload: 1_000 },
};

const rst = (code: number) => ({ client: ({ stream }: Client) => stream.close(code) });

/** Ways for the client to leave. */
const CLIENT: Readonly<Record<string, Pick<Way, "client" | "endsSession">>> = {
  "RST_STREAM, NO_ERROR": rst(constants.NGHTTP2_NO_ERROR),
  "RST_STREAM, PROTOCOL_ERROR": rst(constants.NGHTTP2_PROTOCOL_ERROR),
  "RST_STREAM, INTERNAL_ERROR": rst(constants.NGHTTP2_INTERNAL_ERROR),
  "RST_STREAM, REFUSED_STREAM": rst(constants.NGHTTP2_REFUSED_STREAM),
  "RST_STREAM, CANCEL": rst(constants.NGHTTP2_CANCEL),
  "RST_STREAM, ENHANCE_YOUR_CALM": rst(constants.NGHTTP2_ENHANCE_YOUR_CALM),
  "stream destroyed": { client: ({ stream }) => stream.destroy() },
  "stream destroyed with an error": { client: ({ stream }) => stream.destroy(new Error("x")) },
  "session destroyed": { client: ({ session }) => session.destroy(), endsSession: true },
  "session destroyed with an error": { client: ({ session }) => session.destroy(new Error("x")), endsSession: true },
  "session destroyed with a code": {
    client: ({ session }) => session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM),
    endsSession: true,
  },
  "GOAWAY with a code": {
    client: ({ session }) => session.goaway(constants.NGHTTP2_INTERNAL_ERROR),
    endsSession: true,
  },
  FIN: { client: ({ socket }) => socket.end(), endsSession: true },
  "socket destroyed": { client: ({ socket }) => socket.destroy(), endsSession: true },
  "socket reset": { client: ({ socket }) => socket.resetAndDestroy(), endsSession: true },
};

/** Ways for the app to end it. */
const SERVER: Readonly<Record<string, Pick<Way, "does" | "endsSession">>> = {
  "stream.close()": { does: (stream) => stream.close() },
  "stream.close(CANCEL)": { does: (stream) => stream.close(constants.NGHTTP2_CANCEL) },
  "stream.close(INTERNAL_ERROR)": { does: (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR) },
  "stream.destroy()": { does: (stream) => stream.destroy() },
  "stream.destroy(error)": { does: (stream) => stream.destroy(new Error("mine")) },
  "request.destroy()": { does: (_stream, _server, { request }) => request?.destroy() },
  "request.destroy(error)": { does: (_stream, _server, { request }) => request?.destroy(new Error("mine")) },
  "response.destroy()": { does: (_stream, _server, { response }) => response?.destroy() },
  "response.destroy(error)": { does: (_stream, _server, { response }) => response?.destroy(new Error("mine")) },
  "session.destroy()": { does: (stream) => stream.session?.destroy(), endsSession: true },
  "session.destroy(error)": { does: (stream) => stream.session?.destroy(new Error("mine")), endsSession: true },
  "session.destroy(code)": {
    does: (stream) => stream.session?.destroy(constants.NGHTTP2_ENHANCE_YOUR_CALM as never),
    endsSession: true,
  },
  "socket.destroy()": { does: (_stream, _server, { socket }) => socket?.destroy(), endsSession: true },
  "socket.destroy(error)": {
    does: (_stream, _server, { socket }) => socket?.destroy(new Error("mine")),
    endsSession: true,
  },
  "socket.end()": { does: (_stream, _server, { socket }) => socket?.end(), endsSession: true },
  "session.close()": { does: (stream) => stream.session?.close() },
  "session.goaway()": { does: (stream) => stream.session?.goaway() },
  "session.goaway(code)": { does: (stream) => stream.session?.goaway(constants.NGHTTP2_INTERNAL_ERROR) },
  "server.close()": { does: (_stream, server) => void server.close() },
  "a time-out of the stream": { does: (stream) => stream.setTimeout(30, () => stream.close(constants.NGHTTP2_CANCEL)) },
  "a time-out of the session": {
    does: (stream) => stream.session?.setTimeout(30, () => stream.session?.destroy()),
    endsSession: true,
  },
  "an answer": {
    does: (stream) => {
      if (!stream.headersSent) stream.respond();
      stream.end("whole");
    },
  },
  "an answer, and close()": {
    does: (stream) => {
      if (!stream.headersSent) stream.respond();
      stream.end("whole");
      stream.close();
    },
  },
  "an answer, and destroy()": {
    does: (stream) => {
      if (!stream.headersSent) stream.respond();
      stream.end("whole", () => stream.destroy());
    },
  },
};

describe.each(APIS)("an app of the API %s", (api) => {
  describe.each(Object.keys(APPS))("%s", (app) => {
    it.concurrent.each(Object.keys(CLIENT))("is told what Node tells of a client that leaves: %s", async (how) => {
      const way = { ...APPS[app], ...CLIENT[how] };
      const bare = await told(api, "bare", way);
      for (const mode of ["enforce", "report"] as const) {
        expect({ mode, ...(await told(api, mode, way)) }).toEqual({ mode, ...bare });
      }
    });

    it.concurrent.each(Object.keys(SERVER))(
      "is told what Node tells where it ends it itself, once that is answered: %s",
      async (how) => {
        const way = { ...APPS[app], ...SERVER[how] };
        const bare = await told(api, "bare", way);
        for (const mode of ["report", "enforce"] as const) {
          // The recipient is told INTERNAL_ERROR of what is incomplete, and for an error Node waits for no reader.
          if (mode === "enforce" && how === "stream.close()" && app === "upload read, answer under way") continue;
          expect({ mode, ...(await told(api, mode, way)) }).toEqual({ mode, ...bare });
        }
      },
    );
  });
});

describe("the client of an app that ends a request itself", () => {
  const ends = Object.keys(SERVER).filter(
    (how) => /^(?:stream|session)\.(?:close|destroy)|^socket/.test(how) && how !== "session.close()",
  );
  const cases = ends.flatMap((how) =>
    [undefined, 1_000].flatMap((upload) =>
      [false, true].flatMap((begun) => [false, true].map((atOnce) => ({ how, upload, begun, atOnce }))),
    ),
  );
  it.concurrent.each(cases)(
    "gets a whole answer, or a break that it sees: %o",
    async ({ how, upload, begun, atOnce }) => {
      const outcomes: string[] = [];
      const logger = { info: ({ outcome }: { outcome: string }) => outcomes.push(outcome), warn() {}, error() {} };
      const options = { ...OPTIONS, logger: logger as never, holdBackOctets: begun ? 0 : 65_536 };
      const { client, socket } = await start((server) => {
        server.on("stream", (stream) => {
          stream.on("error", nothing);
          if (begun) streams(stream);
          const end = async () => SERVER[how]?.does?.(stream, server, { socket: await socket });
          if (atOnce) end();
          else setTimeout(end, 20);
        });
      }, options);
      const { status, complete } = await seen(send(client, upload));
      const instead = how === "session.destroy(code)" ? 503 : 500; // ENHANCE_YOUR_CALM: to come again later
      expect({ status, complete }).toEqual(
        begun ? { status: 200, complete: false } : { status: instead, complete: true },
      );
      await vi.waitFor(() => expect(outcomes).toEqual([begun ? "torn down" : "replaced"]));
    },
  );
});
