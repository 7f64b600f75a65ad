import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { afterEach, beforeEach, expect } from "vitest";
import { createGuard, type GuardOptions } from "../../src/index.js";
import { selfSigned } from "../testing/certificate.js";
import { listen } from "../testing/servers.js";
import { pair } from "./duplex-pair.js";

export type Mode = "bare" | "enforce" | "report";
export type Event = "upgrade" | "connect";
export type Note = (what: string) => void;
/**
 * What listens for the event; each is called with the socket it can answer on.
 * @param answered - the request in front of it is
 */
export type Listener = (socket: Socket, note: Note, request: IncomingMessage, answered: Promise<unknown>) => unknown;

export interface Case {
  readonly listeners: readonly Listener[];
  /** What is told of it. */
  readonly codes: readonly string[];
  /** What enforce mode tells, where it is not the same. */
  readonly enforced?: readonly string[];
  readonly client?: (client: Socket, until: (received: string) => Promise<unknown>) => unknown;
  /** Field lines of the request. */
  readonly fields?: string;
  readonly version?: string;
  readonly prepare?: (server: Server, note: Note) => void;
  /** In enforce mode the line counts the frames of its chunks. */
  readonly framed?: true;
  /** Octets that the client sends in front. */
  readonly front?: string;
  /** Octets that it sends behind. */
  readonly behind?: string;
}

export const RAY = "8f0aa1b2c3d4e5f6";
export const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

function sends(event: Event, { fields = "", version = "1.1", front = "", behind = "" }: Case): string {
  const rest = `Host: a:1\r\nCF-RAY: ${RAY}-FRA\r\n${fields}\r\n${behind}`;
  if (event === "connect") return `${front}CONNECT a:1 HTTP/${version}\r\n${rest}`;
  return `${front}GET /up HTTP/${version}\r\nConnection: Upgrade\r\nUpgrade: x\r\n${rest}`;
}

const certificate = selfSigned();

/** How the client comes to the server. */
export type Transport = "TCP" | "TLS" | "Duplex";

export async function open(server: Server, transport: Transport): Promise<{ client: Socket; accepted: Socket }> {
  if (transport === "Duplex") {
    const [near, far] = pair();
    server.emit("connection", far);
    return { client: near as Socket, accepted: far as Socket };
  }
  await listen(server);
  const { port } = server.address() as AddressInfo;
  const isTls = transport === "TLS";
  const accepting = once(server, isTls ? "secureConnection" : "connection");
  const client = isTls
    ? connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false })
    : connect({ port, host: "127.0.0.1" });
  const [accepted] = await accepting;
  return { client, accepted };
}

const thrown: string[] = [];
const PROCESS_EVENTS = ["uncaughtException", "unhandledRejection"] as const;
let others: NodeJS.UncaughtExceptionListener[][] = [];
const notes = PROCESS_EVENTS.map(
  (event) => (error: unknown) => void thrown.push(`${event} ${(error as Error).message}`),
);

beforeEach(() => {
  others = PROCESS_EVENTS.map((event) => process.listeners(event as "uncaughtException"));
  for (const [at, event] of PROCESS_EVENTS.entries()) {
    process.removeAllListeners(event);
    process.on(event, notes[at] as never);
  }
});
afterEach(() => {
  for (const [at, event] of PROCESS_EVENTS.entries()) {
    process.removeListener(event, notes[at] as never);
    for (const listener of others[at] ?? []) process.on(event, listener as never);
  }
});

const OF_SOCKET = ["error", "end", "finish", "close", "drain", "timeout"];

/** Who listens on an object, for what. */
export function counts(object: Socket | Server): string {
  const names = object.eventNames().map((name) => `${String(name)} ${object.listenerCount(name)}`);
  return names.sort().join(", ");
}

/** What the guard has told, in both of the forms that it has. */
export function collector() {
  const incidents: { code: string; action: string; ray?: string }[] = [];
  const lines: { url: string }[] = [];
  const note = (record: object) => {
    if ("action" in record) incidents.push(record as (typeof incidents)[number]);
  };
  const info = (record: object) => {
    if ("outcome" in record) {
      const { ms, ...rest } = record as unknown as { ms: number; url: string };
      lines.push(rest);
    } else note(record);
  };
  return { incidents, lines, logger: { info, warn: note, error: note } };
}

async function answer(response: ServerResponse): Promise<void> {
  await turn();
  await turn();
  response.end("mine");
  await once(response, "close");
  await turn();
  await turn();
}

/** Sends one of them to a server, bare or guarded. @returns what came of it */
export async function show(
  mode: Mode,
  event: Event,
  given: Case,
  transport: Transport = "TCP",
  options: GuardOptions = {},
) {
  thrown.length = 0;
  const events: string[] = [];
  const note: Note = (what) => void events.push(what);
  const server = transport === "TLS" ? createSecureServer(certificate) : createServer();
  let answered: Promise<unknown> = Promise.resolve();
  server.on("request", (request, response) => {
    if (request.url === "/up") response.end("mine");
    else answered = answer(response);
  });
  server.on("clientError", (error: { code?: string }, socket) => {
    note(`clientError ${error.code}`);
    socket.destroy();
  });
  given.prepare?.(server, note);
  for (const listener of given.listeners)
    server.on(event, (request: IncomingMessage, socket: Socket, head: Buffer) => {
      note(`${event} ${request.url}, ${head}: ${counts(socket)}; ${counts(server)}`);
      return listener(socket, note, request, answered);
    });
  const { incidents, lines, logger } = collector();
  const guard =
    mode === "bare"
      ? undefined
      : createGuard({ mode, logger, shutdown: false, crash: false, firstByteDeadlineMs: 100, ...options });
  guard?.attach(server);
  const { client, accepted } = await open(server, transport);
  for (const name of OF_SOCKET)
    accepted.on(name, (argument: unknown) =>
      note(`${name}${argument instanceof Error ? ` ${argument.message}` : ` ${argument}`}: ${counts(accepted)}`),
    );
  const closed = new Promise((resolve) => accepted.once("close", resolve));
  const left = new Promise((resolve) => client.once("close", resolve));
  let octets = "";
  let end = "open";
  let told = Number.POSITIVE_INFINITY;
  const until = (text: string) => expect.poll(() => octets, { interval: 1 }).toContain(text);
  client.on("data", (chunk) => (octets += chunk.toString("latin1")));
  client.on("end", () => {
    end = "fin";
    if (transport === "Duplex") client.end();
  });
  client.on("error", ({ code }: { code?: string }) => (end = `${code}`));
  client.write(sends(event, given));
  const timer = setTimeout(() => {
    end += ", given up";
    told = incidents.length;
    client.destroy();
    accepted.destroy();
  }, 250);
  await given.client?.(client, until);
  await closed;
  clearTimeout(timer);
  if (transport === "Duplex") client.destroy();
  await left;
  await turn();
  await turn();
  if (mode === "enforce") await expect.poll(() => guard?.stats().inFlight).toBe(0);
  const inFlight = guard?.stats().inFlight ?? 0;
  guard?.close();
  /** What others than the user of the guard can see. */
  const seen = {
    octets: octets.replace(/\r\nDate: [^\r]+/g, "\r\nDate: now"),
    end,
    events,
    thrown: [...thrown],
    inFlight,
    listening: counts(server),
  };
  expect(incidents.every(({ ray }) => ray === RAY)).toBe(true);
  const byUrl = lines.sort((a, b) => a.url.length - b.url.length);
  return { seen, codes: incidents.slice(0, told).map(({ code }) => code), incidents, lines: byUrl };
}
