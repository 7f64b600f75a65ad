import { once } from "node:events";
import net from "node:net";
import { afterEach } from "vitest";

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/**
 * Listens on a free port until the end of the test.
 * @param atEnd - called with what closes it; of a test that runs beside others, its own `onTestFinished`
 */
export async function listen<S extends net.Server>(
  server: S,
  atEnd: (close: () => Promise<void>) => void = (close) => closing.push(close),
): Promise<S> {
  const sockets = new Set<net.Socket>();
  atEnd(async () => {
    // Sockets first: a server closes only when its last connection has.
    for (const socket of sockets) socket.destroy();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  });
  server.on("connection", (socket: net.Socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

/** A TCP server that leaves everything to `speak`, which is called for each connection. */
export function tcp(speak: (socket: net.Socket) => void): Promise<net.Server> {
  return listen(
    net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      socket.on("error", () => undefined);
      speak(socket);
    }),
  );
}

/** A TCP server that answers the first octets of each connection with `octets`, and then does `next`. */
export function answering(octets: string, next: (socket: net.Socket) => void = () => undefined): Promise<net.Server> {
  return tcp((socket) => {
    socket.once("data", () => socket.write(octets, "latin1", () => next(socket)));
  });
}
