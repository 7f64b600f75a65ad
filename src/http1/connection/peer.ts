import type { ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { isDeepStrictEqual } from "node:util";
import { parseRay } from "../../cloudflare/ray.js";
import type { Exchange, Supervisor } from "../../exchange/exchange.js";
import { MESSAGES } from "../../report/log.js";
import { judgePeer, type Peer } from "../../trust/caller.js";

/** Guards that have told how to trust a peer on the own machine or network: once is enough. */
const advised = new WeakSet<Supervisor>();

/** Sessions of HTTP/2, with whoever is at the other end. */
const sessions = new WeakMap<object, Peer>();

/** Peers by their address, each kept once: an edge has hundreds of connections from each of its own. */
const peers = new Map<string, Peer>();
const MOST_PEERS = 1_024;

type Asking = Pick<Exchange, "request" | "supervisor">;

/** A connection of HTTP/1.x. */
interface Connection {
  readonly socket: Socket;
  /** Of the peer, asked for while the connection is open. */
  readonly address: string | undefined;
  peer: Peer | null;
}

/** The peer of a connection of HTTP/1.x. */
export function peerOfConnection(exchange: Asking & { readonly connection: Connection }): Peer {
  const { connection, supervisor } = exchange;
  if (connection.peer?.trust !== supervisor.settings.trust) {
    connection.peer = peerAt(connection.socket, connection.address, supervisor);
    advise(exchange, connection.peer);
  }
  return connection.peer;
}

/** The peer of a session of HTTP/2. */
export function peerOfSession(exchange: Asking & { readonly stream: ServerHttp2Stream }): Peer {
  const { stream, supervisor } = exchange;
  const { session } = stream;
  // A stream can be closed together with its session before anybody has looked at it.
  if (session === undefined || session.destroyed) return judgePeer(supervisor.settings.trust, { address: undefined });
  let peer = sessions.get(session);
  if (peer?.trust !== supervisor.settings.trust) {
    peer = peerAt(session.socket, session.socket.remoteAddress, supervisor);
    sessions.set(session, peer);
    advise(exchange, peer);
  }
  return peer;
}

/** The peer of a request without a connection: whatever the test says. */
export function peerOfRequest({ request, supervisor }: Asking): Peer {
  return judgePeer(supervisor.settings.trust, { address: request?.socket?.remoteAddress });
}

function peerAt(socket: Socket, address: string | undefined, { settings }: Supervisor): Peer {
  const { trust } = settings;
  return keptOnce(
    judgePeer(trust, {
      address,
      isUnix: address === undefined && isUnixSocket(socket),
      hasCertificate: trust.clientCertificate && hasCertificate(socket as TLSSocket),
    }),
  );
}

/** The same peer, as it is kept for other connections from its address. */
function keptOnce(peer: Peer): Peer {
  const { address, trust } = peer;
  if (address === null) return peer;
  const known = peers.get(address);
  // What is trusted may change, and need not hold for two connections from one address.
  if (known?.trust === trust && isDeepStrictEqual(known, peer)) return known;
  if (peers.size >= MOST_PEERS) peers.clear();
  peers.set(address, peer);
  return peer;
}

/** A TCP socket that is gone has no address either: the server knows for certain. */
function isUnixSocket(socket: Socket): boolean {
  const { server } = socket as Socket & { server?: { address?(): unknown } };
  return typeof server?.address?.() === "string";
}

function hasCertificate(socket: TLSSocket): boolean {
  return socket.authorized === true && Object.keys(socket.getPeerCertificate?.() ?? {}).length > 0;
}

/** Tells, once, what to set where the edge is probably behind a proxy or a Tunnel that nobody has named. */
function advise({ request, supervisor }: Asking, peer: Peer): void {
  if (!peer.isLocal || peer.caller.verified || peer.isProxy || advised.has(supervisor)) return;
  if (peer.trust.edge === null && peer.trust.hasEdge) return;
  if (parseRay(request?.headers["cf-ray"]) === null) return;
  advised.add(supervisor);
  supervisor.warn({ peer: peer.address }, MESSAGES.trustLocalPeer);
}
