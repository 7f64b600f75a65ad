import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";

// A socket that is destroyed with nothing but itself to tell of that: no request is under way on it.

const closing: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const UPGRADE = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n";
const CONNECT = "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n";

type Case = [octets: string, destroy: (server: Server, act: (socket: Socket) => void) => void, error?: Error];

const CASES: Record<string, Case> = {
  "an upgrade": [UPGRADE, (server, act) => server.on("upgrade", (_, socket) => act(socket as Socket))],
  "an upgrade, with an error": [
    UPGRADE,
    (server, act) => server.on("upgrade", (_, socket) => act(socket as Socket)),
    new Error("mine"),
  ],
  "a CONNECT": [CONNECT, (server, act) => server.on("connect", (_, socket) => act(socket as Socket))],
  "no request": ["\x01\x02\r\n\r\n", (server, act) => server.on("clientError", (_, socket) => act(socket as Socket))],
  "no request, by Node": ["\x01\x02\r\n\r\n", () => {}],
};

/** What its listeners are told, and find, while the client goes on. */
async function told([octets, destroy, error]: Case, guarded: boolean): Promise<unknown[]> {
  const server = createServer();
  if (guarded) createGuard({ logger: false }).attach(server);
  const seen: unknown[] = [];
  destroy(server, (socket) => {
    socket.destroy(error);
    seen.push(["at once", socket.destroyed, socket.writable, socket.readable]);
  });
  let close = () => {};
  const isClosed = new Promise<void>((resolve) => {
    close = resolve;
  });
  let accepted: (Socket & { _handle?: unknown }) | undefined;
  server.on("connection", (socket) => {
    accepted = socket;
    socket.on("error", ({ message }) => seen.push(["error", message]));
    socket.on("close", (hadError) => {
      seen.push(["close", hadError, socket.destroyed, socket.writable, socket.readable]);
      close();
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  closing.push(() => client.destroy());
  client.on("error", () => {});
  client.write(octets, "latin1");
  await isClosed;
  await new Promise((resolve) => server.close(resolve));
  // The guard keeps it all the same, since the client has yet to read the answer.
  expect(Boolean(accepted?._handle)).toBe(guarded);
  return seen;
}

describe.each(Object.entries(CASES))("a socket that is destroyed in the place of %s", (_name, given) => {
  it("is closed, and its server no longer counts it, when it would be without a guard", async () => {
    expect(await told(given, true)).toEqual(await told(given, false));
  });
});
