import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { emitClientError, reportClientError } from "./client-error.js";
import { emitDropped } from "./dropped.js";
import { handshakeFailed } from "./handshake.js";
import { emitTimeout } from "./idle-timeout.js";
import type { ClientError } from "./parse-error.js";
import type { Http1Server, ServerGuard } from "./server-guard.js";
import { emitUpgrade } from "./upgrades.js";

/** Emits an event in the place of a server. @returns undefined where it goes on as any other */
type Emit = (args: unknown[]) => boolean | undefined;

/** What a server, of HTTP/1.x or of HTTP/2, tells of its connections beside their requests, and what the guard makes of it. */
export function connectionEvents(
  server: Http1Server,
  below: Http1Server["emit"],
  guard: ServerGuard,
): ReadonlyMap<string | symbol, Emit> {
  const upgrades: [string, Emit][] = ["upgrade", "connect"].map((event) => [
    event,
    (args) => emitUpgrade(server, below, guard, event, args),
  ]);
  const told = (args: unknown[]) => void reportClientError(server, guard, args[0] as ClientError, args[1] as Socket);
  if (!guard.enforces) return new Map([["clientError", told], ...upgrades]);
  return new Map<string, Emit>([
    ...upgrades,
    ["clientError", ([error, socket]) => emitClientError(server, below, guard, error as ClientError, socket as Socket)],
    [
      "dropRequest",
      ([request, socket]) =>
        isSocket(socket) ? emitDropped(server, below, guard, request as IncomingMessage, socket) : undefined,
    ],
    ["timeout", ([client]) => (isSocket(client) || isSession(client) ? emitTimeout(server, below, client) : undefined)],
    ["tlsClientError", ([, socket]) => (isSocket(socket) ? handshakeFailed(socket, guard.witness) : undefined)],
  ]);
}

/** An app may emit any of these by hand, with whatever it likes. */
function isSocket(value: unknown): value is Socket {
  return value instanceof Duplex;
}

function isSession(value: unknown): value is ServerHttp2Session {
  return value instanceof EventEmitter && "goaway" in value;
}
