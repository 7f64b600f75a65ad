import { type AddressInfo, connect, type Server, type Socket } from "node:net";
import { nextTick } from "../clock.js";

/**
 * Fills the only place in the queue of a listener from inside, so that the system takes nobody until the listener is
 * closed: the connection that is reset then is this one.
 * @returns the connection, and whether it is in the queue already, as one to this machine usually is
 */
export async function takeLastPlace(server: Server): Promise<{ readonly socket: Socket; readonly taken: boolean }> {
  const { address, port } = server.address() as AddressInfo;
  const host = { "::": "::1", "0.0.0.0": "127.0.0.1" }[address] ?? address;
  const socket = connect({ port, host }).on("error", () => {});
  // Node begins to connect in the next tick; the event loop, which would take the connection, has had no turn by then.
  await new Promise<void>((resolve) => nextTick(resolve));
  return { socket, taken: isEstablished(socket) };
}

/** Whether the system has connected it; Node itself is told in a later turn. */
function isEstablished(socket: Socket): boolean {
  const handle = (socket as { _handle?: { getpeername?(name: object): number } | null })._handle;
  return handle?.getpeername?.({}) === 0;
}
