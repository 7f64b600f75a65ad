import { once } from "node:events";
import http2, { type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { describe, expect, it } from "vitest";
import { createGuard, type GuardOptions } from "../src/index.js";
import { listen } from "./testing/servers.js";

/** A frame (RFC 9113, section 4.1). */
function frame(type: number, flags: number, stream: number, payload: readonly number[]): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, Buffer.from(payload)]);
}

/** Whoever speaks HTTP/2 and takes two octets of each response. */
const PREFACE = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, 0, [0, 4, 0, 0, 0, 2])]);
/** `POST http://a/`, by the static table of HPACK, with content that is still to come. */
const UPLOAD = frame(1, 4, 1, [0x83, 0x84, 0x86, 0x41, 1, 0x61]);
/** RST_STREAM with NO_ERROR, of which Node tells no write that is on its way. */
const LEAVES = frame(3, 0, 1, [0, 0, 0, 0]);

function core(server: http2.Http2Server, closed: () => void): void {
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.on("close", closed);
    stream.resume();
    stream.respond();
    stream.write("content");
  });
}

function compat(server: http2.Http2Server, closed: () => void): void {
  server.on("request", (request, response) => {
    response.stream.on("close", closed);
    request.resume();
    response.write("content");
  });
}

describe("a client that leaves a stream while a write is on its way", () => {
  it.each<[what: string, listens: (server: http2.Http2Server, closed: () => void) => void, options: GuardOptions]>([
    ["content that was held", core, { holdBackMs: 5 }],
    ["content that was not held", core, { holdBackOctets: 0 }],
    ["content that was held, of the compatibility API", compat, { holdBackMs: 5 }],
  ])(
    "keeps neither the stream nor the exchange: %s",
    async (_, listens, options) => {
      const guard = createGuard({ logger: false, ...options });
      const server = http2.createServer();
      const closed = new Promise<void>((resolve) => listens(server, resolve));
      guard.attach(server);
      await listen(server as never);
      const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
      await once(client, "connect");
      client.write(Buffer.concat([PREFACE, UPLOAD]));
      let seen = "";
      client.setEncoding("latin1").on("data", (text: string) => {
        seen += text;
        // A DATA frame with what there is room for.
        if (seen.includes("co")) client.write(LEAVES);
      });
      await closed;
      await expect.poll(() => guard.stats().inFlight).toBe(0);
      client.destroy();
    },
    3_000,
  );
});
