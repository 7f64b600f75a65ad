import http2, { type ServerHttp2Session } from "node:http2";
import { createServer as createSecureServer, type ServerOptions } from "node:https";
import { createServer as createTcpServer } from "node:net";
import tls from "node:tls";
import { selfSigned } from "../../../testing/certificate.js";
import { type Broken, page } from "./broken.js";
import { certificate } from "./certificates.js";

const { key, cert } = selfSigned();

function https(options: ServerOptions) {
  return () => createSecureServer({ keepAliveTimeout: 905_000, ...options }, page);
}

/** HTTP/2 with Node's own server, where `answer` breaks it. */
function h2(
  answer: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
  session: (session: ServerHttp2Session) => void = () => {},
  settings: http2.Settings = {},
) {
  return () => {
    const server = http2.createSecureServer({ key, cert, settings });
    server.on("session", (one) => {
      one.on("error", () => {});
      session(one);
    });
    server.on("stream", (stream, headers) => {
      stream.on("error", () => {});
      answer(stream, headers);
    });
    return server;
  };
}

/** TLS that agrees on h2; what follows is written by hand. */
function rawH2(speak: (socket: tls.TLSSocket) => void) {
  return () =>
    tls.createServer({ key, cert, ALPNProtocols: ["h2"] }, (socket) => {
      socket.on("error", () => {});
      speak(socket);
    });
}

const respond = (stream: http2.ServerHttp2Stream): void => {
  stream.respond({ ":status": 200 });
  stream.end("hello");
};

/** A frame: RFC 9113, section 4.1. */
function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const [DATA, HEADERS, SETTINGS, PING] = [0, 1, 4, 6] as const;
const [END_STREAM, ACK, END_HEADERS] = [1, 1, 4] as const;
/** `:status: 200`, entry 8 of the static table: RFC 7541, appendix A. */
const STATUS_200 = Buffer.from([0x88]);

/** A literal field line without indexing: RFC 7541, section 6.2.2. */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);
}

/** A small HTTP/2 server by hand that leaves out or adds what it is told to. */
function byFrames(faults: { noAck?: boolean; noPing?: boolean; fields?: Buffer; content?: string }) {
  return rawH2((socket) => {
    let octets = Buffer.alloc(0);
    let isOpen = false;
    socket.write(frame(SETTINGS, 0, 0));
    socket.on("data", (chunk: Buffer) => {
      octets = Buffer.concat([octets, chunk]);
      if (!isOpen && octets.length >= 24) {
        isOpen = true;
        octets = octets.subarray(24);
      }
      while (isOpen && octets.length >= 9 && octets.length >= 9 + octets.readUIntBE(0, 3)) {
        const length = octets.readUIntBE(0, 3);
        const [type, flags = 0, id] = [octets[3], octets[4], octets.readUInt32BE(5)];
        const payload = octets.subarray(9, 9 + length);
        octets = octets.subarray(9 + length);
        if (type === SETTINGS && (flags & ACK) === 0 && faults.noAck !== true) socket.write(frame(SETTINGS, ACK, 0));
        if (type === PING && (flags & ACK) === 0 && faults.noPing !== true) socket.write(frame(PING, ACK, 0, payload));
        if (type !== HEADERS) continue;
        const fields = Buffer.concat([
          STATUS_200,
          literal("date", new Date().toUTCString()),
          faults.fields ?? Buffer.alloc(0),
        ]);
        socket.write(frame(HEADERS, END_HEADERS, id, fields));
        socket.write(frame(DATA, END_STREAM, id, Buffer.from(faults.content ?? "")));
      }
    });
  });
}

const secure = { secure: true } as const;

/** Broken below HTTP/1. */
export const SECURE: readonly Broken[] = [
  {
    ...secure,
    name: "speaks no TLS",
    start: () => createTcpServer((socket) => void socket.on("error", () => {}).end("HTTP/1.1 400 Bad Request\r\n\r\n")),
    finds: ["tls-not-spoken"],
  },
  {
    ...secure,
    name: "closes in the TLS handshake",
    start: () => createTcpServer((socket) => void socket.on("error", () => {}).once("data", () => socket.destroy())),
    finds: ["tls-handshake"],
  },
  {
    ...secure,
    name: "is silent in the TLS handshake",
    start: () => createTcpServer((socket) => void socket.on("error", () => {}).resume()),
    finds: ["tls-handshake"],
  },
  { ...secure, name: "has no certificate", start: () => createSecureServer({}, page), finds: ["tls-handshake"] },
  { ...secure, name: "signed its certificate itself", start: https({ key, cert }), finds: ["certificate-self-signed"] },
  {
    ...secure,
    name: "has an expired certificate",
    start: async () => https(await certificate({ days: -1 }))(),
    finds: ["certificate-expired"],
  },
  {
    ...secure,
    name: "has a certificate for another name",
    start: async () => https(await certificate({ name: "other.example" }))(),
    finds: ["certificate-name"],
  },
  {
    ...secure,
    name: "has a key of 1024 bits",
    start: async () => https({ ...(await certificate({ bits: 1024 })), ciphers: "DEFAULT@SECLEVEL=0" })(),
    finds: ["certificate-weak-key"],
  },
  {
    ...secure,
    name: "has a certificate of a private CA",
    start: async () => https(await certificate({ signed: true }))(),
    finds: ["certificate-untrusted"],
  },
  {
    ...secure,
    name: "offers h2 and speaks HTTP/1.1",
    start: rawH2((socket) => void socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))),
    finds: ["http2-not-spoken"],
  },
  {
    ...secure,
    name: "offers h2 and is silent",
    start: rawH2((socket) => void socket.resume()),
    finds: ["http2-not-spoken"],
  },
  {
    ...secure,
    name: "offers h2 and closes",
    start: rawH2((socket) => void socket.once("data", () => socket.destroy())),
    finds: ["http2-not-spoken"],
  },
  {
    ...secure,
    name: "allows no streams",
    start: h2(respond, undefined, { maxConcurrentStreams: 0 }),
    finds: ["http2-no-streams"],
  },
  {
    ...secure,
    name: "resets streams",
    start: h2((stream) => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)),
    finds: ["http2-stream-reset"],
  },
  {
    ...secure,
    name: "resets streams half-way",
    start: h2((stream) => {
      stream.respond({ ":status": 200 });
      stream.write("hel");
      setTimeout(() => stream.destroy(new Error("half-way")), 10);
    }),
    finds: ["http2-stream-reset"],
  },
  { ...secure, name: "leaves streams unanswered", start: h2(() => {}), finds: ["http2-unanswered"] },
  {
    ...secure,
    name: "leaves streams without end",
    start: h2((stream) => {
      stream.respond({ ":status": 200 });
      stream.write("hel");
    }),
    finds: ["http2-unanswered"],
  },
  {
    ...secure,
    name: "says GOAWAY with an error",
    start: h2((stream) => stream.session?.goaway(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM)),
    finds: ["http2-goaway"],
    besides: ["http2-unanswered", "http2-connection-lost", "http2-stream-reset"],
  },
  {
    ...secure,
    name: "cuts the connection under a stream",
    start: h2((stream) => stream.session?.destroy()),
    finds: ["http2-connection-lost"],
  },
  {
    ...secure,
    name: "dies under many streams",
    start: (() => {
      return h2(
        (stream, headers) =>
          headers[":method"] === "HEAD"
            ? stream.session?.destroy()
            : setTimeout(() => stream.destroyed || respond(stream), 30),
        undefined,
      );
    })(),
    finds: ["http2-connection-lost"],
  },
  { ...secure, name: "does not acknowledge SETTINGS", start: byFrames({ noAck: true }), finds: ["http2-settings"] },
  { ...secure, name: "does not answer PING", start: byFrames({ noPing: true }), finds: ["http2-ping"] },
  {
    ...secure,
    name: "has a connection field on HTTP/2",
    start: byFrames({ fields: literal("connection", "close") }),
    finds: ["http2-malformed"],
  },
  {
    ...secure,
    name: "has an upper-case name on HTTP/2",
    start: byFrames({ fields: literal("X-Upper", "1") }),
    finds: ["http2-malformed"],
  },
  {
    ...secure,
    name: "has a wrong content-length on HTTP/2",
    start: byFrames({ fields: literal("content-length", "9"), content: "hello" }),
    finds: ["http2-malformed"],
  },
  {
    ...secure,
    name: "answers 504 on HTTP/2",
    start: h2((stream) => {
      stream.respond({ ":status": 504 });
      stream.end("late");
    }),
    finds: ["gateway-status"],
  },
];
