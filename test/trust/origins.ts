import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server, request as send } from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import express5 from "express";
import express4 from "express4";
import fastify from "fastify";
import { afterEach } from "vitest";
import { rayguard } from "../../adapters/express.js";
import fastifyGuard from "../../adapters/fastify.js";
import { createGuard, type GuardOptions, type RequestContext, type RequestRecord } from "../../src/index.js";
import type { Misused } from "../origins/scenario.js";

type Fields = readonly (readonly [string, string])[];

/** What came of a request: the context the app saw, and the line in the log. */
export type Told = { status: number; context: Context | null; line: RequestRecord | undefined };
export type Context = Pick<RequestContext, "clientIp" | "verified" | "country">;

export interface Origin {
  ask(peer: string, headers: Fields, path?: string): Promise<Told>;
  readonly warnings: string[];
}

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A logger that keeps what it gets. */
export function keeper() {
  const lines: RequestRecord[] = [];
  const warnings: string[] = [];
  const errors: object[] = [];
  const logger = {
    info: (record: object, message: string) => void (message === "request" && lines.push(record as RequestRecord)),
    warn: (_record: object, message: string) => void warnings.push(message),
    error: (record: object) => void errors.push(record),
  };
  return { lines, warnings, errors, logger };
}

const told: RequestListener = (request, response) => {
  const { clientIp, verified, country } = request.rayguard as RequestContext;
  response.end(JSON.stringify({ clientIp, verified, country }));
};

/** Makes a server of each kind that answers with the context of the request. */
export const SERVERS = {
  "node:http": async (options: GuardOptions) => createGuard(options).attach(createServer(told)),
  "Express 4": (options: GuardOptions) => express(express4, options),
  "Express 5": (options: GuardOptions) => express(express5, options),
  Fastify: async (options: GuardOptions) => {
    const app = fastify();
    await app.register(fastifyGuard, options);
    app.get("/*", ({ rayguard: { clientIp, verified, country } }) => ({ clientIp, verified, country }));
    await app.ready();
    return app.server;
  },
  "node:http2": async (options: GuardOptions) => createGuard(options).attach(http2.createServer(told as Misused)),
} as const;

export type Kind = keyof typeof SERVERS;

async function express(framework: Misused, options: GuardOptions): Promise<Server> {
  const app = framework();
  const guard = rayguard(options);
  app.use(guard);
  app.use(told);
  return guard.attach(createServer(app));
}

/** Starts an origin server at every address of this machine, IPv4 and IPv6. */
export async function start(kind: Kind, options: GuardOptions): Promise<Origin> {
  const { lines, warnings, logger } = keeper();
  const server = await SERVERS[kind]({ logger, ...options });
  server.listen(0, "::");
  await once(server, "listening");
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  const { port } = server.address() as AddressInfo;
  const ask = kind === "node:http2" ? askHttp2 : askHttp1;
  return {
    warnings,
    async ask(peer, headers, path = "/") {
      const { status, body } = await ask(port, peer, headers, path);
      const context = body.startsWith("{") && status === 200 ? (JSON.parse(body) as Context) : null;
      return { status, context, line: lines.at(-1) };
    },
  };
}

/** Where to connect to, so that the peer is `peer`. */
export function towards(peer: string) {
  return { host: peer.includes(":") ? "::1" : "127.0.0.1", localAddress: peer };
}

async function askHttp1(port: number, peer: string, headers: Fields, path: string) {
  const fields = ["Host", "origin", "Connection", "close", ...headers.flat()] as Misused;
  const asking = send({ port, ...towards(peer), path, agent: false, headers: fields });
  asking.end();
  const [response] = (await once(asking, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  // The line is written as the response is handed over, which may be after its last octet has been read here.
  await once(asking, "close");
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() };
}

async function askHttp2(port: number, peer: string, headers: Fields, path: string) {
  const { host, localAddress } = towards(peer);
  const session = http2.connect(`http://${peer.includes(":") ? "[::1]" : host}:${port}`, { localAddress } as object);
  const fields: Record<string, string | string[]> = { ":path": path };
  for (const [name, value] of headers) {
    const known = fields[name.toLowerCase()];
    fields[name.toLowerCase()] = known === undefined ? value : [known, value].flat();
  }
  const stream = session.request(fields);
  const [response] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  session.close();
  await once(session, "close");
  return { status: Number(response[":status"]), body: Buffer.concat(chunks).toString() };
}
