import type { Socket } from "node:net";
import { type TLSSocket, Server as TlsServer } from "node:tls";

type Listener = (this: unknown, socket: Socket) => void;

/** What Node runs for each connection of a server that speaks TLS; the same function for all of them. */
let onConnection: Listener | undefined;

interface AnyServer {
  emit(event: string, ...args: unknown[]): boolean;
}

/**
 * Has Node do the handshake of a server on a connection that the server is not to see: with its certificates and its
 * `SNICallback`, but telling somebody else of the outcome.
 */
export function shakeHands(server: object, socket: Socket, done: (secure: TLSSocket) => void): void {
  onConnection ??= new TlsServer().listeners("connection")[0] as Listener;
  const standIn = Object.create(server, {
    emit: {
      value(event: string, ...args: unknown[]): boolean {
        if (event === "secureConnection") done(args[0] as TLSSocket);
        else if (event !== "tlsClientError") return (server as AnyServer).emit(event, ...args);
        return true;
      },
    },
  }) as object;
  onConnection.call(standIn, socket);
}
