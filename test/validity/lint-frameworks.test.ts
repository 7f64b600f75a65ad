import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import http, { type IncomingMessage, type OutgoingHttpHeaders, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import fastifyCompress from "@fastify/compress";
import fastifyHelmet from "@fastify/helmet";
import fastifyStatic from "@fastify/static";
import express5, { type Express, type RequestHandler } from "express";
import fastify from "fastify";
import helmet from "helmet";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FieldLine } from "../../src/http/message.js";
import type { LintSubject, RequestFacts } from "../../src/validity/head.js";
import { lint } from "../../src/validity/lint.js";

// These come without types.
const load = createRequire(import.meta.url);
const express4: typeof express5 = load("express4");
const compression: () => RequestHandler = load("compression");
const cookieParser: (secret: string) => RequestHandler = load("cookie-parser");
const session: (options: object) => RequestHandler = load("express-session");

const LONG_TEXT = "A sentence that compresses well. ".repeat(200);

/** A request, and what it has to be answered with for the test to mean something. */
interface Visit {
  readonly path: string;
  readonly status: number;
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly content?: string;
}

/** What every framework under test serves. */
const VISITS: readonly Visit[] = [
  { path: "/json", status: 200 },
  { path: "/json", method: "HEAD", status: 200 },
  { path: "/text", status: 200 },
  { path: "/long", status: 200, headers: { "accept-encoding": "gzip, deflate, br" } },
  { path: "/long", status: 200, headers: { "accept-encoding": "identity" } },
  { path: "/long", method: "HEAD", status: 200, headers: { "accept-encoding": "gzip" } },
  { path: "/stream", status: 200 },
  { path: "/moved", status: 302 },
  { path: "/nothing", status: 204 },
  { path: "/missing", status: 404 },
  { path: "/missing", method: "HEAD", status: 404 },
  { path: "/throws", status: 500 },
  { path: "/items", method: "POST", status: 201, headers: { "content-type": "application/json" }, content: '{"a":1}' },
  { path: "/items", method: "POST", status: 400, headers: { "content-type": "application/json" }, content: "{" },
  { path: "/files/page.html", status: 200 },
  { path: "/files/page.html", status: 200, headers: { "accept-encoding": "gzip" } },
  { path: "/files/page.html", method: "HEAD", status: 200 },
  { path: "/files/page.html", status: 206, headers: { range: "bytes=0-9" } },
  { path: "/files/page.html", status: 416, headers: { range: "bytes=900000-" } },
  {
    path: "/files/page.html",
    status: 304,
    headers: { "if-modified-since": new Date(Date.now() + 1000).toUTCString() },
  },
  { path: "/files/octets.unknown-type", status: 200 },
  { path: "/files/", status: 200 },
  { path: "/files/missing", status: 404 },
];

const EXPRESS_VISITS: readonly Visit[] = [
  ...VISITS,
  { path: "/html", status: 200 },
  { path: "/jsonp?callback=f", status: 200 },
  { path: "/json", method: "OPTIONS", status: 200 },
  { path: "/session", status: 200 },
  { path: "/cookies", status: 200 },
  { path: "/forget", status: 200 },
  { path: "/format", status: 200, headers: { accept: "text/html" } },
  { path: "/format", status: 406, headers: { accept: "image/png" } },
  { path: "/download", status: 200 },
  { path: "/link?target=/a%20b%5B%5D", status: 302 },
  { path: "/files", status: 301 },
];

const FASTIFY_VISITS: readonly Visit[] = [
  ...VISITS,
  { path: "/buffer", status: 200 },
  { path: "/unsupported", method: "POST", status: 415, headers: { "content-type": "image/png" }, content: "x" },
  {
    path: "/items",
    method: "POST",
    status: 413,
    headers: { "content-type": "application/json" },
    content: `"${LONG_TEXT}"`,
  },
];

let files = "";

beforeAll(async () => {
  files = await mkdtemp(join(tmpdir(), "rayguard-lint-"));
  await writeFile(join(files, "page.html"), `<p>${LONG_TEXT}`);
  await writeFile(join(files, "index.html"), "<p>index");
  await writeFile(join(files, "octets.unknown-type"), "octets");
});

afterAll(() => rm(files, { recursive: true, force: true }));

describe.each([
  ["Express 5", express5],
  ["Express 4", express4],
])("%s with helmet, compression, static files, sessions and cookies", (_name, express) => {
  defineVisits(() => listen(http.createServer(expressApp(express))), EXPRESS_VISITS);
});

describe("Fastify with helmet, compression and static files", () => {
  defineVisits(startFastify, FASTIFY_VISITS);
});

function defineVisits(start: () => Promise<Server>, visits: readonly Visit[]): void {
  let server: Server;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server.close());

  it.each(visits.map((visit) => [nameOf(visit), visit] as const))("%s breaks no rule", async (_title, visit) => {
    const subject = await capture(server, visit);
    expect(subject.head.status).toBe(visit.status);
    expect(lint(subject), JSON.stringify(subject.head)).toEqual([]);
  });

  it("breaks no rule when it revalidates an entity tag", async () => {
    const path = "/files/page.html";
    const first = await capture(server, { path, status: 200 });
    const tag = first.head.fields.find(([name]) => name.toLowerCase() === "etag")?.[1];
    const second = await capture(server, { path, status: 304, headers: { "if-none-match": tag } });
    expect(second.head.status).toBe(304);
    expect(lint(second)).toEqual([]);
  });

  it("has a mistake of its application found", async () => {
    const subject = await capture(server, { path: "/mistake", status: 401 });
    expect(lint(subject).map(({ rule }) => rule)).toEqual(["RQ-1"]);
  });
}

function nameOf({ method = "GET", path, headers = {} }: Visit): string {
  return [method, path, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)].join(" ");
}

function expressApp(express: typeof express5): Express {
  const app = express();
  app.use(helmet(), compression(), cookieParser("secret"), express.json());
  app.use("/session", session({ secret: "secret", resave: false, saveUninitialized: true }));
  app.get("/json", (_req, res) => void res.json({ a: 1 }));
  app.get("/text", (_req, res) => void res.type("text").send("text"));
  app.get("/html", (_req, res) => void res.send("<p>html"));
  app.get("/long", (_req, res) => void res.send(LONG_TEXT));
  app.get("/jsonp", (_req, res) => void res.jsonp({ a: 1 }));
  app.get("/stream", (_req, res) => {
    res.type("text").write("first ");
    res.end("second");
  });
  app.get("/moved", (_req, res) => void res.redirect("/json"));
  app.get("/link", (req, res) => void res.redirect(String(req.query.target)));
  app.get("/nothing", (_req, res) => void res.sendStatus(204));
  app.get("/throws", () => {
    throw new Error("on purpose");
  });
  app.post("/items", (_req, res) => void res.status(201).location("/items/1").json({ id: 1 }));
  app.get("/session", (req, res) => {
    Object.assign((req as unknown as { session: object }).session, { visited: true });
    res.send("session");
  });
  app.get("/cookies", (_req, res) => {
    res.cookie("plain", "a b;c", { maxAge: 60_000, sameSite: "lax", httpOnly: true });
    res.cookie("signed", { a: [1] }, { signed: true, secure: true, domain: ".example.com" }).send("cookies");
  });
  app.get("/forget", (_req, res) => void res.clearCookie("plain").send("forgotten"));
  app.get("/format", (_req, res) => void res.format({ html: () => res.send("<p>"), json: () => res.json({}) }));
  app.get("/download", (_req, res) => void res.attachment('a "quoted" name.txt').send("download"));
  app.get("/mistake", (_req, res) => void res.status(401).send("who are you?"));
  app.use("/files", express.static(files));
  // Express prints errors of the application unless this is set.
  app.set("env", "test");
  return app;
}

async function startFastify(): Promise<Server> {
  const app = fastify({ bodyLimit: 1000, forceCloseConnections: true });
  await app.register(fastifyHelmet);
  await app.register(fastifyCompress);
  await app.register(fastifyStatic, { root: files, prefix: "/files/" });
  app.get("/json", async () => ({ a: 1 }));
  app.get("/text", async () => "text");
  app.get("/buffer", async () => Buffer.from("octets"));
  app.get("/long", async () => LONG_TEXT);
  app.get("/stream", (_request, reply) => reply.type("text/plain").send(Readable.from(["first ", "second"])));
  app.get("/moved", (_request, reply) => reply.redirect("/json"));
  app.get("/nothing", (_request, reply) => reply.code(204).send());
  app.get("/throws", async () => {
    throw new Error("on purpose");
  });
  app.post("/items", (_request, reply) => reply.code(201).header("location", "/items/1").send({ id: 1 }));
  app.post("/unsupported", async () => "never reached");
  app.get("/mistake", (_request, reply) => reply.code(401).send("who are you?"));
  await app.listen({ port: 0, host: "127.0.0.1" });
  return app.server;
}

async function listen(server: Server): Promise<Server> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server;
}

/** Asks over a socket, and takes down what the origin server read and what the client got. */
async function capture(server: Server, { path, method = "GET", headers = {}, content }: Visit): Promise<LintSubject> {
  let request: RequestFacts | undefined;
  server.prependOnceListener("request", ({ headers: received }: IncomingMessage) => {
    request = { method, version: "1.1", headers: received, encrypted: false };
  });
  const { port } = server.address() as AddressInfo;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    http
      .request({ port, host: "127.0.0.1", path, method, headers, agent: false }, resolve)
      .on("error", reject)
      .end(content);
  });
  const now = Date.now();
  let octets = 0;
  for await (const chunk of response) octets += (chunk as Buffer).length;
  const fields: FieldLine[] = [];
  for (let i = 0; i < response.rawHeaders.length; i += 2) {
    fields.push([response.rawHeaders[i] as string, response.rawHeaders[i + 1] as string]);
  }
  const head = { status: response.statusCode as number, fields };
  return { request: request as RequestFacts, head, contentOctets: octets, now };
}
