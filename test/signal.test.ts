import http from "node:http";
import http2, { type ClientHttp2Stream } from "node:http2";
import https from "node:https";
import net, { type AddressInfo } from "node:net";
import tls from "node:tls";
import { describe, expect, it, vi } from "vitest";
import { createGuard, type Guard, type GuardOptions, type RequestContext } from "../src/index.js";
import { selfSigned } from "./testing/certificate.js";

vi.setConfig({ testTimeout: 30_000, maxConcurrency: 8 });

const certificate = selfSigned();
const PROTOCOLS = {
  "HTTP/1.1": { isHttp2: false, isSecure: false, isCore: false },
  "HTTP/1.1 over TLS": { isHttp2: false, isSecure: true, isCore: false },
  "HTTP/2, core API": { isHttp2: true, isSecure: false, isCore: true },
  "HTTP/2, compatibility API": { isHttp2: true, isSecure: false, isCore: false },
  "HTTP/2 over TLS, core API": { isHttp2: true, isSecure: true, isCore: true },
  "HTTP/2 over TLS, compatibility API": { isHttp2: true, isSecure: true, isCore: false },
} as const;

// biome-ignore lint/suspicious/noExplicitAny: a response, or a stream of the core API
type Out = any;

interface Client {
  readonly socket: net.Socket;
  readonly stream: ClientHttp2Stream | undefined;
}

interface Way {
  readonly app?: (out: Out) => unknown;
  readonly client?: (client: Client) => unknown;
  readonly guard?: (guard: Guard) => unknown;
  readonly options?: GuardOptions;
  readonly code: string | undefined;
}

const resets = (code: number) => (client: Client) =>
  client.stream === undefined ? client.socket.destroy() : client.stream.close(code);
const begins: Pick<Way, "app"> = { app: (out) => out.write("part") };

/** What may end a request, and what its signal says of it. */
const WAYS: Readonly<Record<string, Way>> = {
  "the deadline of the first octet": { options: { firstByteDeadlineMs: 20 }, code: "ERR_RAYGUARD_DEADLINE" },
  "the idle deadline": { ...begins, options: { idleDeadlineMs: 20 }, code: "ERR_RAYGUARD_DEADLINE" },
  "a client that leaves": { client: resets(8), code: "ERR_RAYGUARD_CLIENT_GONE" },
  "a client that leaves with NO_ERROR": { client: resets(0), code: "ERR_RAYGUARD_CLIENT_GONE" },
  "a client that leaves in mid-content": { ...begins, client: resets(8), code: "ERR_RAYGUARD_CLIENT_GONE" },
  "a client that closes its connection": {
    client: ({ socket }) => socket.end(),
    code: "ERR_RAYGUARD_CLIENT_GONE",
  },
  "a drain": { guard: (guard) => guard.drain({ graceMs: 300 }), code: "ERR_RAYGUARD_DRAINING" },
  "a drain in mid-content": {
    ...begins,
    guard: (guard) => guard.drain({ graceMs: 300 }),
    code: "ERR_RAYGUARD_DRAINING",
  },
  "an answer": { app: (out) => out.end("whole"), code: undefined },
};

/** Why the signal of a request has aborted, if it has. */
async function reasonOf(protocol: keyof typeof PROTOCOLS, mode: "enforce" | "report", way: Way): Promise<unknown> {
  const { isHttp2, isSecure, isCore } = PROTOCOLS[protocol];
  let took = () => {};
  const taken = new Promise<void>((resolve) => {
    took = resolve;
  });
  let reason: unknown;
  const over = new Promise<void>((resolve) => {
    take = ({ signal }, out) => {
      expect(signal.aborted).toBe(false);
      signal.addEventListener("abort", () => {
        reason = signal.reason;
        resolve();
      });
      out.on("error", () => {}).on("finish", () => setTimeout(resolve, 20));
      took();
      way.app?.(out);
    };
  });
  const listener = (request: { rayguard?: RequestContext }, response: Out) => {
    response.stream?.on("error", () => {});
    take(request.rayguard as RequestContext, response);
  };
  const server = isHttp2
    ? isSecure
      ? http2.createSecureServer(certificate)
      : http2.createServer()
    : isSecure
      ? https.createServer(certificate)
      : http.createServer();
  if (isCore) server.on("stream", (stream: Out) => take(stream.rayguard, stream));
  else server.on("request", listener as never);
  const guard = createGuard({ mode, logger: false, shutdown: false, crash: false, trust: "loopback", ...way.options });
  guard.attach(server as http.Server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const socket = isSecure
    ? tls.connect({ port, rejectUnauthorized: false, ALPNProtocols: [isHttp2 ? "h2" : "http/1.1"] })
    : net.connect(port, "127.0.0.1");
  socket.on("error", () => {});
  let stream: ClientHttp2Stream | undefined;
  if (isHttp2) {
    if (isSecure) await new Promise((resolve) => socket.once("secureConnect", resolve));
    const session = http2.connect("http://localhost", { createConnection: () => socket }).on("error", () => {});
    stream = session.request({ ":path": "/" }).on("error", () => {});
    stream.resume();
  } else socket.resume().write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await taken;
  await way.client?.({ socket, stream });
  way.guard?.(guard);
  await over;
  socket.destroy();
  server.close();
  guard.close();
  return reason;
}

let take: (context: RequestContext, out: Out) => void;

describe.each(Object.keys(PROTOCOLS) as (keyof typeof PROTOCOLS)[])("the signal of a request, %s", (protocol) => {
  describe.each(["enforce", "report"] as const)("mode: %s", (mode) => {
    it.each(Object.entries(WAYS))("says why it aborts: %s", async (_what, way) => {
      const reason = await reasonOf(protocol, mode, way);
      if (way.code === undefined) expect(reason).toBeUndefined();
      else expect(reason).toMatchObject({ code: way.code });
    });
  });
});
