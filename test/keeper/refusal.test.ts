import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { expect, it } from "vitest";
import { HeldConnection } from "../../src/keeper/held-connection.js";
import { Refusal } from "../../src/keeper/refusal.js";

/** What a client gets that no process of the app can take. */
async function refused(send: (socket: Socket) => void): Promise<string> {
  const refusal = new Refusal(() => undefined);
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    refusal.take(new HeldConnection(socket, "a"));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const received = buffer(socket);
  send(socket);
  try {
    return (await received).toString("latin1");
  } finally {
    server.close();
  }
}

it.each<[string, (socket: Socket) => void]>([
  // A handshake record: ClientHello, as far as it needs to be one.
  ["TLS", (socket) => socket.write(Buffer.from("16030100040100000000", "hex"))],
  ["HTTP/2", (socket) => socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")],
])("a client of %s that nobody can serve gets no answer in plain text", async (_protocol, send) => {
  expect(await refused(send)).toBe("");
});

it("a client of HTTP/1.1 gets a complete answer, whatever it has sent", async () => {
  expect(await refused((socket) => socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))).toMatch(/^HTTP\/1\.1 503 /);
  expect(await refused((socket) => socket.write("\x01\x02\x03\r\n\r\n"))).toMatch(/^HTTP\/1\.1 400 /);
});
