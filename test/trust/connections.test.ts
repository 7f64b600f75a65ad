import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import http, { createServer, type IncomingMessage, type RequestListener, request as sendHttp } from "node:http";
import http2 from "node:http2";
import https, { type Agent } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createGuard, type GuardOptions, type RequestContext } from "../../src/index.js";
import { exchange } from "../../src/testing/index.js";
import { selfSigned } from "../testing/certificate.js";
import { listen } from "../testing/servers.js";
import { keeper } from "./origins.js";

const told: RequestListener = (request, response) => {
  const { clientIp, verified } = request.rayguard as RequestContext;
  response.end(JSON.stringify({ clientIp, verified }));
};
const CLAIM = { "CF-Connecting-IP": "203.0.113.7" };
const BELIEVED = { clientIp: "203.0.113.7", verified: true };

async function answerTo(asking: ReturnType<typeof sendHttp>): Promise<unknown> {
  asking.end();
  const [response] = await once(asking, "response");
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return JSON.parse(body);
}

describe("a Unix domain socket", () => {
  it.each<[trust: GuardOptions["trust"], seen: object]>([
    [undefined, { clientIp: null, verified: false }],
    ["loopback", BELIEVED],
    [["cloudflare", "loopback"], { clientIp: "198.51.100.1", verified: false }],
    ["10.0.0.0/8", { clientIp: null, verified: false }],
  ])("counts as a peer on this machine: %j", async (trust, seen) => {
    const folder = await mkdtemp(join(tmpdir(), "rayguard-trust-"));
    const server = createGuard({ logger: false, ...(trust === undefined ? {} : { trust }) }).attach(createServer(told));
    const socketPath = join(folder, "socket");
    server.listen(socketPath);
    await once(server, "listening");
    const headers = { ...CLAIM, "X-Forwarded-For": "198.51.100.1" };
    expect(await answerTo(sendHttp({ socketPath, headers, agent: false }))).toEqual(seen);
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
  });
});

describe("trust: { clientCertificate: true }", () => {
  const server = selfSigned();
  const edge = selfSigned();
  const stranger = selfSigned();
  const options = { ...server, ca: [edge.cert], requestCert: true, rejectUnauthorized: false };
  const trust = { clientCertificate: true } as const;

  it.each<[who: string, certificate: object, seen: object]>([
    ["the certificate it knows", edge, BELIEVED],
    ["one it does not know", stranger, { clientIp: "127.0.0.1", verified: false }],
    ["none", {}, { clientIp: "127.0.0.1", verified: false }],
  ])("believes over TLS who shows %s", async (_who, certificate, seen) => {
    const guard = createGuard({ trust, logger: false });
    const { port } = (await listen(guard.attach(https.createServer(options, told)))).address() as AddressInfo;
    const agent: Agent = new https.Agent({ keepAlive: true, maxCachedSessions: 1 });
    const asked = { port, host: "127.0.0.1", agent, headers: CLAIM, rejectUnauthorized: false, ...certificate };
    // Twice on one connection, then on one that resumes the session.
    for (let n = 0; n < 2; n++) expect(await answerTo(https.request(asked))).toEqual(seen);
    for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy();
    expect(await answerTo(https.request(asked))).toEqual(seen);
    agent.destroy();
  });

  it.each<[who: string, certificate: object, seen: object]>([
    ["the certificate it knows", edge, BELIEVED],
    ["none", {}, { clientIp: "127.0.0.1", verified: false }],
  ])("believes over HTTP/2 who shows %s", async (_who, certificate, seen) => {
    const guard = createGuard({ trust, logger: false });
    const origin = await listen(guard.attach(http2.createSecureServer(options, told as never)) as never);
    const { port } = (origin as https.Server).address() as AddressInfo;
    const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, ...certificate });
    const streams = [session.request({ ...CLAIM }), session.request({ ...CLAIM })];
    for (const stream of streams) {
      let body = "";
      for await (const chunk of stream) body += String(chunk);
      expect(JSON.parse(body)).toEqual(seen);
    }
    session.destroy();
  });

  it("still knows who has shown one when the connection is gone", async () => {
    const { lines, logger } = keeper();
    const guard = createGuard({ trust, logger });
    const origin = await listen(guard.attach(https.createServer(options, () => {})));
    const { port } = origin.address() as AddressInfo;
    const leaves = new AbortController();
    const closed = new Promise((resolve) => {
      origin.once("request", ({ socket }: IncomingMessage) => {
        socket.once("close", resolve);
        setImmediate(() => leaves.abort());
      });
    });
    await exchange({ port, tls: edge }, { path: "/", headers: CLAIM }, { signal: leaves.signal });
    await closed;
    expect(lines).toMatchObject([{ clientIp: "203.0.113.7", verified: true, outcome: "client gone" }]);
  });

  it("believes nobody where the server asks for no certificate", async () => {
    const guard = createGuard({ trust, logger: false });
    const { port } = (await listen(guard.attach(https.createServer(server, told)))).address() as AddressInfo;
    const asked = { port, host: "127.0.0.1", agent: false, headers: CLAIM, rejectUnauthorized: false, ...edge };
    expect(await answerTo(https.request(asked))).toEqual({ clientIp: "127.0.0.1", verified: false });
  });
});

describe("one guard on two servers", () => {
  it("judges the peers of each by the same rule, once for each connection", async () => {
    const asked: string[] = [];
    const guard = createGuard({
      trust: (address) => {
        asked.push(address);
        return true;
      },
      logger: false,
    });
    for (let n = 0; n < 2; n++) {
      const { port } = (await listen(guard.attach(createServer(told)))).address() as AddressInfo;
      const agent = new http.Agent({ keepAlive: true });
      for (let i = 0; i < 3; i++) await answerTo(sendHttp({ port, host: "127.0.0.1", agent }));
      agent.destroy();
    }
    expect(asked).toEqual(["127.0.0.1", "127.0.0.1"]);
  });
});
