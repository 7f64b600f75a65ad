import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
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
  const told = (args: unknown[]) => void reportClientError(server, args[0] as ClientError, args[1] as Socket);
  if (!guard.enforces) return new Map([["clientError", told], ...upgrades]);
  return new Map<string, Emit>([
    ...upgrades,
    ["clientError", ([error, socket]) => emitClientError(server, below, guard, error as ClientError, socket as Socket)],
    [
      "dropRequest",
      ([request, socket]) => emitDropped(server, below, guard, request as IncomingMessage, socket as Socket),
    ],
    ["timeout", ([client]) => emitTimeout(server, below, client as Socket)],
    ["tlsClientError", ([, socket]) => void handshakeFailed(socket as Socket, guard.witness)],
  ]);
}
