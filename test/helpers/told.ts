import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import express from "express";
import express4 from "express4";
import fastify from "fastify";
import { rayguard as expressGuard } from "../../adapters/express.js";
import fastifyGuard from "../../adapters/fastify.js";
import { createGuard, type GuardOptions } from "../../src/index.js";

export const FRAMEWORKS = ["node", "express4", "express5", "fastify"] as const;
export type Framework = (typeof FRAMEWORKS)[number];
/** Without a guard, or with one in either mode. */
export type Guarding = "bare" | "enforce" | "report";

/** A way for an exchange to end. */
export type Way = {
  /** Octets the client sends. */
  sends: string;
  /** What the client does once the app has seen all of that. */
  client?: (socket: Socket) => void;
  /** What the app does with each request; reading is up to it. */
  app: (req: IncomingMessage, res: ServerResponse) => unknown;
  /** Called once `sends` has arrived. */
  does?: (req: IncomingMessage, res: ServerResponse) => unknown;
  server?: object;
  /** A listener for `clientError`. */
  clientError?: (error: Error, socket: Socket) => unknown;
  /** Requests whose end is waited for. @default 1 */
  requests?: number;
  /** Time for what comes behind that, in milliseconds. @default 20 */
  behind?: number;
  /** The app goes on to the end of its responses, which takes as long as the machine needs. */
  answersOn?: boolean;
};

/** What an app was told of one request and its response, and meanwhile of their connection. */
export type Told = { events: string[]; request: object; response: object };

/** What it finds at each of these events, and once all of it is over. */
type Found = { response: object; socket: object };

/** What it was told of the connection. */
export type ToldOfSocket = { events: string[]; errored: string | null; hadError: boolean | null };

export type Running = { server: Server; port: number; close(): Promise<unknown> };

type Listener = (req: IncomingMessage, res: ServerResponse) => unknown;

/** An origin server that hands every request to `listener`, as its framework hands it on. */
export async function start(
  framework: Framework,
  guarding: Guarding,
  listener: Listener,
  serverOptions: object = {},
  options: GuardOptions = {},
): Promise<Running> {
  const guardOptions: GuardOptions = {
    logger: false,
    shutdown: false,
    crash: false,
    ...options,
    mode: guarding === "report" ? "report" : "enforce",
  };
  if (framework === "fastify") {
    const app = fastify({ http: serverOptions, keepAliveTimeout: 5_000 } as object);
    if (guarding !== "bare") await app.register(fastifyGuard, guardOptions);
    app.addContentTypeParser("*", (_request, _payload, done) => done(null));
    app.all("/*", (request, reply) => {
      reply.hijack();
      listener(request.raw, reply.raw);
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    const close = () => {
      const closing = app.close();
      app.server.closeAllConnections();
      return closing;
    };
    return { server: app.server, port: portOf(app.server), close };
  }
  let handler: Listener = listener;
  let guard: { attach(server: Server): Server; close(): void } | undefined;
  if (framework === "node") {
    const made = guarding === "bare" ? undefined : createGuard(guardOptions);
    guard = made;
    if (made) handler = made.listener(listener as never);
  } else {
    const app = framework === "express5" ? express() : express4();
    if (guarding !== "bare") {
      const made = expressGuard(guardOptions);
      guard = made as never;
      app.use(made as never);
    }
    app.use((req: never, res: never) => listener(req, res));
    handler = app as never;
  }
  const server = createServer(serverOptions, handler as never);
  guard?.attach(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    server,
    port: portOf(server),
    close: () => {
      guard?.close();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

const REQUEST_EVENTS = ["end", "aborted", "error", "close"];
const RESPONSE_EVENTS = ["prefinish", "finish", "error", "close"];

/** Everything an app is told of the ends of its requests, responses and of their connection, in order. */
export async function told(
  framework: Framework,
  guarding: Guarding,
  way: Way,
): Promise<{ exchanges: Told[]; socket: ToldOfSocket; found: Record<string, Found>[] }> {
  const all: (Told & { req: IncomingMessage; res: ServerResponse; found: Record<string, Found> })[] = [];
  const ofSocket: ToldOfSocket = { events: [], errored: null, hadError: null };
  const { requests = 1 } = way;
  let open = 2 * requests;
  let tell: () => void;
  const over = new Promise<void>((resolve) => {
    tell = () => --open <= 0 && resolve();
  });
  const noteOfSocket = (name: string, error: unknown) => {
    for (const { events } of [ofSocket, ...all]) events.push(`${name}: ${named(error)}`);
    if (requests === 0) tell();
  };
  const running = await start(
    framework,
    guarding,
    (req, res) => {
      const events: string[] = [];
      const found: Record<string, Found> = {};
      all.push({ events, request: {}, response: {}, req, res, found });
      const note = (who: string, name: string) => (error?: unknown) => {
        events.push(`${who} ${name}${error instanceof Error ? `: ${named(error)}` : ""}`);
        found[`${who} ${name}`] = find(res, req.socket);
      };
      for (const name of REQUEST_EVENTS) req.on(name, note("request", name));
      for (const name of RESPONSE_EVENTS) res.on(name, note("response", name));
      req.once("close", () => tell());
      res.once("close", () => tell());
      way.app(req, res);
    },
    way.server,
  );
  const { clientError } = way;
  if (clientError !== undefined)
    running.server.on("clientError", (error, socket) => {
      noteOfSocket("clientError", error);
      clientError(error, socket as Socket);
    });
  const socket = connect({ port: running.port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => {});
  socket.resume();
  const connected = new Promise<Socket>((resolve) => running.server.once("connection", resolve));
  socket.write(way.sends, "latin1");
  const accepted = await connected;
  accepted.on("error", (error) => noteOfSocket("socket error", error));
  accepted.on("close", () => {
    for (const { events } of [ofSocket, ...all]) events.push("socket close");
  });
  const closed = new Promise<boolean>((resolve) => accepted.once("close", resolve));
  while (all.length < requests || accepted.bytesRead < way.sends.length) {
    if (accepted.destroyed) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (way.does !== undefined) {
    for (const { req, res, found } of all.slice(0, 1)) {
      way.does(req, res);
      found["at once"] = find(res, accepted);
    }
  }
  way.client?.(socket);
  const isOver = await Promise.race([over.then(() => true), new Promise((resolve) => setTimeout(resolve, 700, false))]);
  if (!isOver) for (const { events } of all) events.push("...");
  // What came late would be told now.
  await new Promise((resolve) => setTimeout(resolve, way.behind ?? 20));
  // Node 22 tells a response that has not had its turn of no end.
  const isAtWork = ({ events, res }: (typeof all)[number]) => events.includes("response close") && !res.writableEnded;
  while (way.answersOn && all.some(isAtWork)) await new Promise((resolve) => setTimeout(resolve, 10));
  // On a busy machine that may be over within the turn in which all of it was told.
  for (let turns = 2; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
  const exchanges = all.map(({ events, req, res }) => ({
    events: [...events],
    request: {
      aborted: req.aborted,
      destroyed: req.destroyed,
      errored: named(req.errored),
      readableAborted: req.readableAborted,
      readableEnded: req.readableEnded,
      closed: req.closed,
    },
    response: {
      destroyed: res.destroyed,
      errored: named((res as { errored?: unknown }).errored),
      writableEnded: res.writableEnded,
      writableFinished: res.writableFinished,
      closed: res.closed,
      fields: res.getHeaderNames(),
    },
  }));
  const found = all.map(({ res, req, found }) => ({
    ...found,
    "in the end": { ...find(res, req.socket), from: req.socket.remoteAddress },
  }));
  const socketSeen = { ...ofSocket, events: [...ofSocket.events], errored: named(accepted.errored) };
  socket.destroy();
  // Without an error of its own the socket may have one of the client's leaving.
  const closing = running.close();
  const hadError = await closed;
  if (socketSeen.errored !== null) socketSeen.hadError = hadError;
  await closing;
  return { exchanges, socket: socketSeen, found };
}

function find(res: ServerResponse, socket: Socket): Found {
  const { headersSent, statusCode, finished, writableEnded, shouldKeepAlive, strictContentLength } = res;
  const { destroyed, writable, readable, readyState, closed, pending, localAddress, localFamily } = socket;
  const localPort = typeof socket.localPort;
  const header = typeof (res as unknown as { _header: unknown })._header;
  return {
    response: { headersSent, statusCode, finished, writableEnded, shouldKeepAlive, strictContentLength, header },
    socket: { destroyed, writable, readable, readyState, closed, pending, localAddress, localFamily, localPort },
  };
}

function named(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  return `${error.name} ${(error as { code?: string }).code ?? ""} ${error.message}`;
}
