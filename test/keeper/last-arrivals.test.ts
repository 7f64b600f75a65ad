import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { expect, it } from "vitest";
import { ListeningSockets } from "../../src/keeper/listening-sockets.js";

// Who has connected before the keeper has had a turn to take the connection is nobody's yet: closing over it is a reset.

const CLIENTS = 8;

/** A server that listens with a socket it was given, as the keeper's do. */
async function given(): Promise<Server> {
  const owner = createServer().listen(0, "127.0.0.1");
  await once(owner, "listening");
  const server = createServer({ pauseOnConnect: true });
  server.listen((owner as unknown as { _handle: object })._handle);
  await once(server, "listening");
  return server;
}

async function connected(port: number): Promise<{ sockets: Socket[]; errors: string[] }> {
  const errors: string[] = [];
  const sockets = Array.from({ length: CLIENTS }, () => {
    const note = (error: Error) => errors.push(error.message);
    return connect(port, "127.0.0.1").on("error", note);
  });
  // They begin to connect in the next tick; the system has connected them before any turn of the event loop.
  await new Promise<void>((resolve) => process.nextTick(resolve));
  return { sockets, errors };
}

it.each(["a socket of its own", "a socket that a process of the app has opened"])(
  "the keeper closes %s with nobody in its queue",
  async (which) => {
    const taken: Socket[] = [];
    const listening = new ListeningSockets((socket) => taken.push(socket));
    const address = { host: "127.0.0.1", port: 0 };
    let port: number;
    if (which === "a socket of its own") ({ port } = (await listening.listen("a", address)) as never);
    else {
      const server = await given();
      port = (server.address() as AddressInfo).port;
      listening.adopt("a", server.address() as never, server);
    }
    const { sockets, errors } = await connected(port);
    await listening.close("a");
    const ports = taken.map(({ remotePort }) => remotePort);
    expect({ errors, served: sockets.filter(({ localPort }) => ports.includes(localPort)).length }).toEqual({
      errors: [],
      served: CLIENTS,
    });
    for (const socket of [...sockets, ...taken]) socket.destroy();
    await expect(once(connect(port, "127.0.0.1"), "connect")).rejects.toThrow("ECONNREFUSED");
  },
);
