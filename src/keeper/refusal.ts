import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { parseRay } from "../cloudflare/ray.js";
import { contained } from "../containment.js";
import { CONTENT_TYPES } from "../fallback/content.js";
import { composePage, renderHttp1 } from "../fallback/page.js";
import { createServer, type IncomingMessage, type Server } from "../node-http.js";
import type { Recorded } from "../recorder/slots.js";
import { ownServers } from "../shared.js";
import { ANSWER_STATUS } from "./fate.js";
import type { HeldConnection } from "./held-connection.js";
import { keeperWitness } from "./keeper-log.js";

/** `Retry-After` while a worker is being replaced, in seconds. */
const RETRY_AFTER_S = 1;

/** The answer to a request that its worker has taken with it. */
export function answerTo(request: Recorded | "torn", kind: number): Buffer {
  const asked = {
    headers: { accept: CONTENT_TYPES[kind] },
  } as unknown as IncomingMessage;
  const ray = request === "torn" ? null : request.ray;
  const page = composePage({
    status: ANSWER_STATUS,
    ray,
    request: asked,
    lost: [],
    retryAfterS: RETRY_AFTER_S,
  });
  return renderHttp1(page, request === "torn" ? undefined : request.method, true).octets;
}

const TLS_HANDSHAKE = 0x16;
const HTTP2_PREFACE = "PRI * HTTP/2.0";

/** As Node answers them, by the code of the error. */
const STATUS: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
};

interface InvalidRequest {
  readonly code?: string;
  readonly rawPacket?: Buffer;
}

/** Whoever wants TLS, or HTTP/2, would take an answer in plain text for a broken handshake. */
function isOtherProtocol(octets: Buffer = Buffer.alloc(0)): boolean {
  return octets[0] === TLS_HANDSHAKE || octets.toString("latin1", 0, HTTP2_PREFACE.length) === HTTP2_PREFACE;
}

/** Reads the requests of connections for which there has been no worker in time, and answers each with 503. */
export class Refusal {
  readonly #server: Server;

  /** @param refused - a request has been answered */
  constructor(refused: (request: Recorded, socket: Socket) => void) {
    this.#server = createServer({ requireHostHeader: false }, (request, response) => {
      const { id: ray = null, colo = null } = parseRay(request.headers["cf-ray"]) ?? {};
      const page = composePage({
        status: ANSWER_STATUS,
        ray,
        request,
        lost: [],
        retryAfterS: RETRY_AFTER_S,
      });
      for (const [name, value] of page.fields) response.setHeader(name, value);
      response.shouldKeepAlive = false;
      response.writeHead(page.status, page.reason);
      response.end(page.body);
      const { method = "", url = "" } = request;
      refused({ ray, colo, method, url, startedAt: Date.now(), status: page.status }, request.socket);
    });
    const invalid = ({ code = "", rawPacket }: InvalidRequest, socket: Duplex & Partial<Socket>) => {
      const status = isOtherProtocol(rawPacket) ? undefined : (STATUS[code] ?? "400 Bad Request");
      if (status === undefined || code === "ECONNRESET" || socket.bytesWritten !== 0) socket.destroy();
      else socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
    };
    this.#server.on("clientError", contained(keeperWitness, invalid));
    this.#server.maxRequestsPerSocket = 1;
    ownServers.add(this.#server); // what is set for the program in NODE_OPTIONS is loaded here as well
  }

  take({ socket }: HeldConnection): void {
    this.#server.emit("connection", socket);
    socket.resume();
  }
}
