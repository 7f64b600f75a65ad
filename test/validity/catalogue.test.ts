import { once } from "node:events";
import http, { type RequestListener } from "node:http";
import https from "node:https";
import net, { type AddressInfo, type Server, type Socket } from "node:net";
import tls from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { RULES } from "../../src/validity/catalogue.js";

const rules = Object.entries(RULES);

describe("the catalogue of rules", () => {
  it("has 142 rules: 101 of level MUST, 30 SHOULD, 11 EDGE", () => {
    const levels = { MUST: 0, SHOULD: 0, EDGE: 0 };
    for (const [, { level }] of rules) levels[level]++;
    expect(rules).toHaveLength(142);
    expect(levels).toEqual({ MUST: 101, SHOULD: 30, EDGE: 11 });
  });

  it("numbers each group from 1 without a gap", () => {
    const groups = new Map<string, number[]>();
    for (const [id] of rules) {
      const [group = "", number] = id.split("-");
      groups.set(group, [...(groups.get(group) ?? []), Number(number)]);
    }
    expect([...groups.keys()]).toEqual(["MC", "SL", "IR", "HF", "FR", "TR", "CX", "RQ", "MD", "CC", "XS"]);
    for (const numbers of groups.values()) expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });

  it("cannot be changed", () => {
    expect(Object.isFrozen(RULES)).toBe(true);
  });

  it.each(rules)("states %s in one sentence, with its source", (_id, { statement, source, level }) => {
    expect(statement).toMatch(/^[^.]+(?:\.\d[^.]*)*\.$/);
    expect(source).toMatch(level === "EDGE" ? /^(?:no RFC: |implied by RFC |RFC )/ : /RFC \d{4}, sections? \d/);
  });

  it.each(rules)("gives %s an action that its tier can take", (_id, { tier, action }) => {
    const possible = {
      guarded: ["repair", "replace", "tear down", "report"],
      linted: ["report", "none"],
      node: ["none"],
    };
    expect(possible[tier]).toContain(action);
  });
});

// The rules of tier `node`: should one of these tests fail on a new Node, the rule needs a guard.
describe("rules that Node keeps by itself", () => {
  it("MC-8: pipelined requests are answered in their order, the slow one first", async () => {
    const octets = await ask(
      (req, res) => {
        if (req.url === "/slow") setImmediate(() => setImmediate(() => res.end("slow")));
        else res.end("fast");
      },
      `GET /slow HTTP/1.1\r\nHost: a\r\n\r\n${closing("/fast")}`,
    );
    expect(octets).toMatch(/slow[\s\S]*fast$/);
  });

  it("SL-5: the space after the status code stays where the reason phrase is empty", async () => {
    expect(await ask((_req, res) => res.writeHead(200, "").end(), closing())).toMatch(/^HTTP\/1\.1 200 \r\n/);
  });

  it("SL-6: the status line says HTTP/1.1, to an HTTP/1.0 client as well", async () => {
    expect(await ask((_req, res) => res.end(), "GET / HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("IR-2: interim responses end with their header section", async () => {
    const octets = await ask((_req, res) => {
      res.writeEarlyHints({ link: "</a.css>; rel=preload" });
      res.writeProcessing();
      res.end("content");
    }, closing());
    expect(octets).toMatch(
      /^HTTP\/1\.1 103 [^\r]*\r\nLink: [^\r]*\r\n\r\nHTTP\/1\.1 102 Processing\r\n\r\nHTTP\/1\.1 200 /,
    );
  });

  it("IR-5: Expect: 100-continue is met with 100 while the content is still to come", async () => {
    const server = await listen(http.createServer((req, res) => req.resume().on("end", () => res.end())));
    const socket = await dial(server);
    socket.write(
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    );
    const [first] = await once(socket, "data");
    expect(String(first)).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    socket.write("ab");
    expect(await octetsUntilEnd(socket)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("FR-11: a response to HEAD has no content, whatever the application writes", async () => {
    const octets = await ask((_req, res) => {
      res.write("con");
      res.end("tent");
    }, "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(octets).toMatch(/^HTTP\/1\.1 200 /);
    expect(octets.slice(octets.indexOf("\r\n\r\n"))).toBe("\r\n\r\n");
  });

  it.each([204, 304])("FR-12: a %i has no content, whatever the application writes", async (status) => {
    const octets = await ask((_req, res) => res.writeHead(status).end("content"), closing());
    expect(octets.slice(octets.indexOf("\r\n\r\n"))).toBe("\r\n\r\n");
  });

  it("CX-1: a response with close is the last one on its connection", async () => {
    const octets = await ask(
      (_req, res) => res.setHeader("Connection", "close").end("a"),
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    expect(octets).toMatch(/\r\nConnection: close\r\n/);
  });

  it("CX-7: request content that the application leaves unread does not become the next request", async () => {
    const content = "GET /smuggled HTTP/1.1\r\n\r\n";
    const paths: unknown[] = [];
    await ask(
      (req, res) => {
        paths.push(req.url);
        res.end();
      },
      `POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: ${content.length}\r\n\r\n${content}${closing("/second")}`,
    );
    expect(paths).toEqual(["/first", "/second"]);
  });

  it("CX-11: a TLS connection is closed with an alert", async () => {
    // A pre-shared key needs no certificate, and TLS 1.2 shows the type of each record in clear.
    const psk = { ciphers: "PSK-AES128-GCM-SHA256", maxVersion: "TLSv1.2" } as const;
    const key = Buffer.alloc(16, 1);
    const origin = await listen(https.createServer({ ...psk, pskCallback: () => key }, (_req, res) => res.end("a")));
    const records: Buffer[] = [];
    const relay = await listen(
      net.createServer((inbound) => {
        const outbound = net.connect((origin.address() as AddressInfo).port, "127.0.0.1");
        outbound.on("data", (octets) => records.push(octets));
        outbound.pipe(inbound);
        inbound.pipe(outbound);
      }),
    );
    const client = tls.connect({
      ...psk,
      port: (relay.address() as AddressInfo).port,
      host: "127.0.0.1",
      pskCallback: () => ({ psk: key, identity: "client" }),
      checkServerIdentity: () => undefined,
    });
    client.write(closing());
    expect(await octetsUntilEnd(client)).toMatch(/^HTTP\/1\.1 200 /);
    expect(recordTypes(Buffer.concat(records)).at(-1)).toBe(21);
  });
});

const open: { close(): unknown }[] = [];

afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

async function listen<S extends Server>(server: S): Promise<S> {
  open.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server;
}

async function dial(server: Server): Promise<Socket> {
  const socket = net.connect((server.address() as AddressInfo).port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

/** Octets an origin server sends in answer to `request`, until it ends the connection. */
async function ask(listener: RequestListener, request: string): Promise<string> {
  const socket = await dial(await listen(http.createServer(listener)));
  socket.write(request);
  return octetsUntilEnd(socket);
}

async function octetsUntilEnd(socket: Socket): Promise<string> {
  let octets = "";
  socket.setEncoding("latin1");
  for await (const chunk of socket) octets += chunk;
  return octets;
}

/** A request after which the connection closes. */
function closing(path = "/"): string {
  return `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
}

/** Content type of each TLS record. RFC 5246, section 6.2.1. */
function recordTypes(octets: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at + 5 <= octets.length; at += 5 + octets.readUInt16BE(at + 3)) types.push(octets[at] as number);
  return types;
}
