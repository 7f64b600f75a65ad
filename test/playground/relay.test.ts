import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { Recording } from "../../playground/page/server/recording.js";
import { Relay } from "../../playground/page/server/relay.js";

const HOST = "127.0.0.1";
const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

describe("a relay in front of a server", () => {
  it("passes on and records every octet of both sides", async () => {
    const relay = await relayTo((socket) => socket.on("data", () => socket.end("answer")));
    const recording = relay.record();
    const { received } = await converse(relay.port, "question");
    expect(received).toBe("answer");
    const [connection] = recording.connections.values();
    expect(connection?.octets("edge").toString()).toBe("question");
    expect(connection?.octets("origin").toString()).toBe("answer");
    expect(connection?.isReused).toBe(false);
    expect(connection?.ending).toEqual({ from: "origin", kind: "end" });
  });

  it("passes a reset on as a reset", async () => {
    const relay = await relayTo((socket) => socket.on("data", () => socket.resetAndDestroy()));
    const recording = relay.record();
    const { error } = await converse(relay.port, "question");
    expect(error).toBe("ECONNRESET");
    expect(endings(recording)).toEqual([{ from: "origin", kind: "reset" }]);
  });

  it("records that nobody listens", async () => {
    const nobody = createServer().listen(0, HOST);
    await once(nobody, "listening");
    const { port } = nobody.address() as AddressInfo;
    nobody.close();
    await once(nobody, "close");
    const relay = await listening(new Relay(() => port));
    const recording = relay.record();
    await converse(relay.port, "question");
    expect(endings(recording)).toEqual([{ from: "origin", kind: "refused" }]);
  });

  it("leaves a half that is closed open for the answer", async () => {
    const relay = await relayTo((socket) => socket.on("end", () => socket.end("late answer")).resume());
    const { received } = await converse(relay.port, "question", true);
    expect(received).toBe("late answer");
  });

  it("says of a connection whether it was open before", async () => {
    const relay = await relayTo((socket) => socket.on("data", (octets) => socket.write(octets)));
    const socket = connect(relay.port, HOST);
    closers.push(() => socket.destroy());
    socket.write("one");
    await once(socket, "data");
    const recording = relay.record();
    socket.write("two");
    await once(socket, "data");
    const [connection] = recording.connections.values();
    expect(connection?.isReused).toBe(true);
    expect(connection?.octets("origin").toString()).toBe("two");
  });

  it("keeps no more than half a mebibyte of one direction, and counts the rest", async () => {
    const large = Buffer.alloc(2_000_000, "x");
    const relay = await relayTo((socket) => socket.on("data", () => socket.end(large)));
    const recording = relay.record();
    const { received } = await converse(relay.port, "question");
    expect(received).toHaveLength(large.length);
    const [connection] = recording.connections.values();
    expect(connection?.octets("origin").length).toBe(512 * 1024);
    expect(connection?.total.origin).toBe(large.length);
    expect(connection?.isWhole("origin")).toBe(false);
  });
});

async function relayTo(serve: (socket: Socket) => void): Promise<Relay> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    serve(socket);
  });
  closers.push(() => server.close());
  server.listen(0, HOST);
  await once(server, "listening");
  return listening(new Relay(() => (server.address() as AddressInfo).port));
}

async function listening(relay: Relay): Promise<Relay> {
  await relay.listen();
  closers.push(() => relay.close());
  return relay;
}

function endings({ connections }: Recording) {
  return [...connections.values()].map(({ ending }) => ending);
}

/** Sends octets, and resolves with what came back when the connection is gone. */
function converse(port: number, octets: string, ends = false) {
  return new Promise<{ received: string; error: string | undefined }>((resolve) => {
    const socket = connect(port, HOST);
    const parts: Buffer[] = [];
    let error: string | undefined;
    if (ends) socket.end(octets);
    else socket.write(octets);
    socket.on("data", (part) => parts.push(part));
    socket.on("end", () => socket.end());
    socket.on("error", (reason: NodeJS.ErrnoException) => {
      error = reason.code;
    });
    socket.on("close", () => resolve({ received: Buffer.concat(parts).toString(), error }));
  });
}
