import { once } from "node:events";
import http2, { type ClientHttp2Session } from "node:http2";
import { type AddressInfo, connect, type Socket } from "node:net";
import { createGuard, type Guard, type GuardOptions, type Incident } from "../../src/index.js";

const closing: (() => Promise<unknown>)[] = [];

/** Closes every server and client that `start` has made. */
export async function stopAll(): Promise<void> {
  for (const close of closing.splice(0)) await close();
}

/** A server of HTTP/2 and a client of it. */
interface Origin {
  readonly server: http2.Http2Server;
  readonly client: ClientHttp2Session;
  /** Socket of the server's side, and of the client's. */
  readonly socket: Promise<Socket>;
  readonly clientSocket: Socket;
  readonly incidents: Incident[];
  readonly guard: Guard | undefined;
}

/** Starts a server and a client, bare where there are no options. */
export async function start(set: (server: http2.Http2Server) => void, options?: GuardOptions): Promise<Origin> {
  const server = http2.createServer();
  set(server);
  const incidents: Incident[] = [];
  const note = (record: object) => incidents.push(record as Incident);
  const guard =
    options && createGuard({ trust: "loopback", logger: { info() {}, warn: note, error: note }, ...options });
  guard?.attach(server);
  const socket = once(server, "connection").then(([connection]) => connection as Socket);
  server.on("sessionError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const clientSocket = connect(port, "127.0.0.1");
  clientSocket.on("error", () => {});
  const client = http2.connect(`http://127.0.0.1:${port}`, { createConnection: () => clientSocket });
  client.on("error", () => {});
  closing.push(async () => {
    client.destroy();
    (await socket).destroy();
    await new Promise((resolve) => server.close(resolve));
    guard?.close();
  });
  return { server, client, socket, clientSocket, incidents, guard };
}

/** Sends a request, with as many octets of content as are given and no end to it. */
export function send(client: ClientHttp2Session, octets?: number, headers: http2.OutgoingHttpHeaders = {}) {
  const stream = client.request(
    { ":path": "/", ":method": octets === undefined ? "GET" : "POST", ...headers },
    { endStream: octets === undefined },
  );
  stream.on("error", () => {});
  if (octets !== undefined) stream.write(Buffer.alloc(octets));
  return stream;
}

/** What a client sees of a stream. */
export async function seen(stream: http2.ClientHttp2Stream) {
  let status = 0;
  let octets = 0;
  let ended = false;
  let announced: number | undefined;
  stream.on("response", (headers) => {
    status = Number(headers[":status"]);
    announced = headers["content-length"] === undefined ? undefined : Number(headers["content-length"]);
  });
  stream.on("data", (chunk: Buffer) => {
    octets += chunk.length;
  });
  stream.on("end", () => {
    ended = true;
  });
  if (!stream.destroyed) await new Promise((resolve) => stream.on("close", resolve));
  return {
    status,
    octets,
    complete: ended && stream.rstCode === 0 && octets === (announced ?? octets),
    code: stream.rstCode,
  };
}
