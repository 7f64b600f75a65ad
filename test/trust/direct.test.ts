import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, request as send } from "node:http";
import { type AddressInfo, connect } from "node:net";
import express from "express";
import fastify from "fastify";
import supertest from "supertest";
import { describe, expect, it } from "vitest";
import { rayguard } from "../../adapters/express.js";
import fastifyGuard from "../../adapters/fastify.js";
import { createGuard, type GuardOptions } from "../../src/index.js";
import { exchange } from "../../src/testing/index.js";
import { listen } from "../testing/servers.js";
import { type Kind, keeper, SERVERS, start } from "./origins.js";
import { PROXY, STRANGER } from "./spoofing.js";

const SECRET = { secret: { header: "X-Edge-Secret", value: "0123456789abcdef" } };
const PROVEN = { "X-Edge-Secret": "0123456789abcdef" };

async function serve(options: GuardOptions, listener: RequestListener = (_request, response) => response.end("ok")) {
  const { logger, lines, errors, warnings } = keeper();
  const guard = createGuard({ trust: SECRET, direct: "reject", logger, ...options });
  const server = await listen(guard.attach(createServer(listener)));
  return { guard, server, lines, errors, warnings };
}

describe.each(Object.keys(SERVERS) as Kind[])('direct: "reject" on %s', (kind) => {
  it("answers 403 to whoever nobody vouches for, and 200 to the others", async () => {
    const origin = await start(kind, { trust: { hops: PROXY, edge: "104.16.0.1" }, direct: "reject" });
    const edge = [["X-Forwarded-For", "203.0.113.7, 104.16.0.1"]] as const;
    const refused = await origin.ask(STRANGER, [["CF-Connecting-IP", "203.0.113.7"]]);
    expect(refused).toMatchObject({ status: 403, context: null });
    expect(refused.line).toMatchObject({
      ...{ status: 403, outcome: "replaced", incident: "DIRECT", verified: false, direct: true },
      ...{ clientIp: STRANGER, claimedIp: "203.0.113.7" },
    });
    const admitted = await origin.ask(PROXY, edge);
    expect(admitted).toMatchObject({ status: 200, line: { clientIp: "203.0.113.7", verified: true } });
    expect(admitted.line).not.toHaveProperty("direct");
    expect((await origin.ask(PROXY, [["X-Forwarded-For", "104.16.0.1, 198.51.100.1"]])).status).toBe(403);
  });

  it("leaves the health check to everybody", async () => {
    const origin = await start(kind, { direct: "reject" });
    expect((await origin.ask(STRANGER, [], "/health")).status).toBe(200);
    expect((await origin.ask(STRANGER, [], "/health?x")).status).toBe(200);
    expect((await origin.ask(STRANGER, [], "/health/x")).status).toBe(403);
    expect((await origin.ask(STRANGER, [], "/healthy")).status).toBe(403);
  });
});

describe('direct: "reject"', () => {
  it("answers completely, on a connection that goes on", async () => {
    const { server, guard, errors } = await serve({});
    const { responses, valid, problems } = await exchange(server, [
      { path: "/a", headers: { Accept: "application/problem+json", "CF-RAY": "0123456789abcdef-FRA" } },
      { path: "/b", headers: PROVEN },
      { path: "/c", headers: { Accept: "text/html" } },
    ]);
    expect(problems).toEqual([]);
    expect(valid).toBe(true);
    expect(responses.map(({ status }) => status)).toEqual([403, 200, 403]);
    expect(JSON.parse(responses[0]?.text() ?? "")).toMatchObject({ status: 403, ray_id: "0123456789abcdef" });
    expect(responses[0]?.field("cache-control")).toBe("no-store");
    expect(guard.stats().incidents).toEqual({ DIRECT: 2 });
    expect(errors).toEqual([]); // the line of each request tells; a scan must not write two
  });

  it("refuses a request whose content is still to come, and one that waits for 100", async () => {
    const called: string[] = [];
    const { server } = await serve({}, (request, response) => {
      called.push(request.url ?? "");
      response.end();
    });
    for (const fields of ["Content-Length: 5\r\n\r\nabcde", "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"]) {
      const { responses, problems } = await exchange(server, `POST / HTTP/1.1\r\nHost: a\r\n${fields}`);
      expect(problems).toEqual([]);
      expect(responses.map(({ status }) => status)).toEqual([403]);
    }
    expect(called).toEqual([]);
  });

  it("refuses an upgrade and a CONNECT before their listener sees them", async () => {
    const { server } = await serve({});
    const seen: string[] = [];
    for (const event of ["upgrade", "connect"]) {
      server.on(event, (_request, socket) => {
        seen.push(event);
        socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
      });
    }
    const upgrade = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n";
    for (const octets of [upgrade, "GET /health HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n"]) {
      const { responses, end } = await exchange(server, `${octets}\r\n`);
      expect(responses.map(({ status, complete }) => [status, complete])).toEqual([[403, true]]);
      expect(end).toBe("fin");
    }
    const { responses } = await exchange(server, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");
    expect(responses.map(({ status }) => status)).toEqual([403]);
    expect(seen).toEqual([]);
    const proven = await exchange(server, `${upgrade}X-Edge-Secret: 0123456789abcdef\r\n\r\n`);
    expect(proven.responses.map(({ status }) => status)).toEqual([101]);
    expect(seen).toEqual(["upgrade"]);
  });

  it("refuses pipelined requests each on its own", async () => {
    const { server } = await serve({});
    const { responses, valid } = await exchange(
      server,
      [{ path: "/a", headers: PROVEN }, { path: "/b" }, { path: "/c", headers: PROVEN }],
      { pipeline: true },
    );
    expect(valid).toBe(true);
    expect(responses.map(({ status }) => status)).toEqual([200, 403, 200]);
  });

  it("refuses the very first request of an Express app nobody has attached", async () => {
    const app = express();
    app.use(rayguard({ direct: "reject", logger: false }) as never);
    app.get("/", (_request, response) => void response.send("secret"));
    const { responses } = await exchange(await listen(createServer(app)), [{ path: "/" }, { path: "/" }]);
    expect(responses.map(({ status }) => status)).toEqual([403, 403]);
  });

  it("holds for a part of an app, on an Express router and in a Fastify plugin", async () => {
    const app = express();
    const router = express.Router();
    app.use(rayguard({ trust: SECRET, logger: false }) as never);
    router.use(rayguard({ direct: "reject", logger: false }) as never);
    router.get("/", (_request, response) => void response.send("ok"));
    app.use("/inside", router);
    app.use((_request, response) => void response.send("ok"));
    const plugin = fastify();
    await plugin.register(fastifyGuard, { trust: SECRET, logger: false });
    plugin.get("/", () => "ok");
    await plugin.register(async (inside) => {
      await inside.register(fastifyGuard, { direct: "reject", logger: false });
      inside.get("/inside", () => "ok");
    });
    await plugin.ready();
    for (const server of [createServer(app), plugin.server]) {
      const asked = [{ path: "/" }, { path: "/inside" }, { path: "/inside", headers: PROVEN }];
      const { responses, problems } = await exchange(await listen(server), asked);
      expect(problems).toEqual([]);
      expect(responses.map(({ status }) => status)).toEqual([200, 403, 200]);
    }
  });

  it("changes nothing in report mode, and says what it would have refused", async () => {
    const { server, lines, guard } = await serve({ mode: "report" });
    const { responses } = await exchange(server, { path: "/" });
    expect(responses[0]?.text()).toBe("ok");
    expect(lines).toMatchObject([{ status: 200, outcome: "intact", incident: "DIRECT", direct: true }]);
    expect(guard.stats().incidents).toEqual({ DIRECT: 1 });
  });
});

describe('direct: "flag"', () => {
  it("marks the line of a request that nobody vouches for", async () => {
    const { server, lines } = await serve({ direct: "flag" });
    await exchange(server, [{ path: "/" }, { path: "/", headers: PROVEN }]);
    expect(lines.map(({ direct, verified, status }) => ({ direct, verified, status }))).toEqual([
      { direct: true, verified: false, status: 200 },
      { direct: undefined, verified: true, status: 200 },
    ]);
  });
});

describe("a secret that the app takes out of the request", () => {
  it("has proved what it proves", async () => {
    const { server, lines } = await serve({ direct: "flag" }, (request, response) => {
      delete request.headers["x-edge-secret"];
      response.end();
    });
    await exchange(server, { path: "/", headers: { ...PROVEN, "CF-Connecting-IP": "203.0.113.7" } });
    expect(lines).toMatchObject([{ clientIp: "203.0.113.7", verified: true }]);
  });
});

describe("a request without a connection", () => {
  it("of inject() is judged by the address the test gives", async () => {
    const app = fastify();
    await app.register(fastifyGuard, { direct: "reject", logger: false });
    app.get("/", ({ rayguard: { clientIp, verified } }) => ({ clientIp, verified }));
    expect((await app.inject("/")).statusCode).toBe(403);
    const asked = { url: "/", remoteAddress: "104.16.0.1", headers: { "cf-connecting-ip": "203.0.113.7" } };
    expect((await app.inject(asked)).json()).toEqual({ clientIp: "203.0.113.7", verified: true });
    await app.close();
  });

  it("of supertest has a connection from this machine", async () => {
    const app = express();
    app.use(rayguard({ trust: "loopback", direct: "reject", logger: false }) as never);
    app.get("/", (request, response) => void response.send(request.rayguard?.clientIp));
    const { status, text } = await supertest(app).get("/").set("CF-Connecting-IP", "203.0.113.7");
    expect({ status, text }).toEqual({ status: 200, text: "203.0.113.7" });
  });
});

describe("a peer that is gone by the time the line is written", () => {
  it.each(["allow", "flag"] as const)("is still known, with direct: %j", async (direct) => {
    const { lines, server } = await serve({ trust: "cloudflare", direct }, () => {});
    const { port } = server.address() as AddressInfo;
    const socket = connect({ port, host: "127.0.0.1", localAddress: STRANGER });
    const arrived = once(server, "request");
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const [request] = (await arrived) as [IncomingMessage];
    const closed = new Promise((resolve) => request.socket.once("close", resolve));
    socket.resetAndDestroy();
    await closed;
    expect(lines).toMatchObject([{ clientIp: STRANGER, verified: false, outcome: "client gone" }]);
  });
});

describe("Express's own trust proxy function", () => {
  it("gives the same address as request.ip", async () => {
    const app = express();
    app.set("trust proxy", ["loopback", "104.16.0.0/13"]);
    app.use(rayguard({ trust: app.get("trust proxy fn"), logger: false }) as never);
    app.get(
      "/",
      ({ ip, rayguard }, response) =>
        void response.json({ ip, clientIp: rayguard?.clientIp, verified: rayguard?.verified }),
    );
    const { port } = (await listen(createServer(app))).address() as AddressInfo;
    const headers = { "X-Forwarded-For": "198.51.100.9, 203.0.113.7, 104.16.0.9" };
    const asking = send({ port, host: "127.0.0.1", agent: false, headers }).end();
    const [response] = (await once(asking, "response")) as [IncomingMessage];
    const [body] = (await once(response, "data")) as [Buffer];
    expect(JSON.parse(body.toString())).toEqual({ ip: "203.0.113.7", clientIp: "203.0.113.7", verified: true });
  });
});
