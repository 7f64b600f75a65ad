import type { Socket } from "node:net";

/** What Node keeps of content until a socket is connected; held by `test/node-contract.test.ts`. */
type Waiting = { _pendingData?: { length: number } | null };

/**
 * Counts content that is held back in `socket.bytesWritten`. Node's getter adds to what has left whatever waits for the
 * socket to be connected, in a property for which the socket of a server has no other use.
 */
export function countAsWritten(socket: Socket, octets: number): void {
  const { _pendingData: waiting } = socket as Waiting;
  if (waiting === null) (socket as Waiting)._pendingData = { length: octets };
  else if (waiting !== undefined) waiting.length += octets;
}

/** It leaves now, or never. */
export function countNoMore(socket: Socket): void {
  if ((socket as Waiting)._pendingData) (socket as Waiting)._pendingData = null;
}
