import { lookup } from "node:dns/promises";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { FindingId } from "./catalogue.js";
import { checkCertificate } from "./certificate.js";
import { tlsOptions } from "./origin.js";
import type { Probe } from "./probe.js";

/** Protocols that can be spoken with the origin server. */
export interface Reached {
  readonly http1: boolean;
  readonly http2: boolean;
}

/** The edge gives up connecting after that many milliseconds. */
const EDGE_CONNECT_MS = 19_000;

const CODES: Partial<Record<string, FindingId>> = {
  ECONNREFUSED: "connection-refused",
  ETIMEDOUT: "connect-timeout",
  ENETUNREACH: "no-route",
  EHOSTUNREACH: "no-route",
};
const NO_TLS = new Set([
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_SSL_PACKET_LENGTH_TOO_LONG",
  "ERR_SSL_HTTP_REQUEST",
  "ERR_SSL_BAD_RECORD_TYPE",
  "EPROTO",
]);

/** Connects as the edge does, TLS included; `undefined` where that fails. */
export async function reach(probe: Probe): Promise<Reached | undefined> {
  const { origin } = probe;
  if (isIP(origin.address) === 0) {
    try {
      await lookup(origin.address);
    } catch (error) {
      probe.findings.add("name-not-found", "connection", (error as Error).message);
      return undefined;
    }
  }
  const tcp = await open(probe);
  if (tcp === undefined) return undefined;
  if (!origin.secure) {
    tcp.destroy();
    return { http1: true, http2: false };
  }
  const tls = await handshake(probe, tcp, ["h2", "http/1.1"], true);
  if (tls === undefined) return undefined;
  checkCertificate(probe, tls);
  const isHttp2 = tls.alpnProtocol === "h2";
  tls.destroy();
  if (!isHttp2) return { http1: true, http2: false };
  const again = await open(probe);
  const http1 = again && (await handshake(probe, again, ["http/1.1"], false));
  http1?.destroy();
  return { http1: http1 !== undefined, http2: true };
}

/** Opens a TCP connection. */
async function open(probe: Probe): Promise<Socket | undefined> {
  const { address, port } = probe.origin;
  const timeoutMs = Math.min(EDGE_CONNECT_MS, probe.patienceMs);
  const socket = connectTcp({ host: address, port, noDelay: true });
  const error = await settled(socket, "connect", timeoutMs);
  if (error === undefined) return socket;
  socket.destroy();
  const code = (error as NodeJS.ErrnoException).code ?? "";
  probe.findings.add(CODES[code] ?? "connection-refused", "connection", error.message);
  return undefined;
}

/** Makes a TLS handshake, and reports one that fails where it must not. */
export async function handshake(
  probe: Probe,
  tcp: Socket,
  alpn: readonly string[],
  isReported: boolean,
): Promise<TLSSocket | undefined> {
  let error: (Error & { code?: string }) | undefined;
  let socket: TLSSocket | undefined;
  try {
    socket = connectTls({ ...tlsOptions(probe.origin, alpn), socket: tcp });
    error = await settled(socket, "secureConnect", probe.patienceMs);
  } catch (thrown) {
    error = thrown as Error;
  }
  if (socket !== undefined && error === undefined) return socket;
  socket?.destroy();
  tcp.destroy();
  if (isReported && error !== undefined) {
    const id = NO_TLS.has(error.code ?? "") && !/alert/i.test(error.message) ? "tls-not-spoken" : "tls-handshake";
    probe.findings.add(id, "TLS handshake", error.message.trim());
  }
  return undefined;
}

/** Waits for an event; resolves with what came instead of it. */
function settled(socket: Socket, event: string, timeoutMs: number): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const giveUp = () =>
      resolve(Object.assign(new Error(`nothing came within ${timeoutMs} ms`), { code: "ETIMEDOUT" }));
    const timer = setTimeout(giveUp, timeoutMs);
    const done = (error?: Error) => {
      clearTimeout(timer);
      resolve(error);
    };
    socket.once(event, () => done());
    // Stays: an error without a listener would end the process.
    socket.on("error", done);
    socket.once("close", () => done(new Error("the connection was closed")));
  });
}
