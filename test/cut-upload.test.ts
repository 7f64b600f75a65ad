import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, readdir, readlink, rm } from "node:fs/promises";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finished } from "node:stream";
import { pipeline } from "node:stream/promises";
import fastifyMultipart from "@fastify/multipart";
import express from "express";
import fastify from "fastify";
import multer from "multer";
import onFinished from "on-finished";
import { afterEach, describe, expect, it, vi } from "vitest";
import { rayguard } from "../adapters/express.js";
import fastifyGuard from "../adapters/fastify.js";
import { createGuard, type Guard } from "../src/index.js";

vi.setConfig({ testTimeout: 30_000 });

type Listener = (req: IncomingMessage, res: ServerResponse) => unknown;

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const BOUNDARY = "cut";
const FORM = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\nContent-Type: application/octet-stream\r\n\r\n`;
const JSON_FIELDS = "Content-Type: application/json\r\n";
const FORM_FIELDS = `Content-Type: multipart/form-data; boundary=${BOUNDARY}\r\n`;

/** Sends 200 kB of 1 MB, and the end of the connection. */
async function cutUpload(port: number, fields: string, start: string): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.resume();
  socket.end(`POST / HTTP/1.1\r\nHost: a\r\n${fields}Content-Length: 1000000\r\n\r\n${start}${"x".repeat(200_000)}`);
  await once(socket, "close");
}

async function listen(server: http.Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close().closeAllConnections());
  return (server.address() as AddressInfo).port;
}

/** Each reader calls `over` once it knows that the upload was cut, with what it was told. */
type Reader = {
  fields: string;
  start: string;
  port(isGuarded: boolean, over: (what: unknown) => void): Promise<number>;
};

function ofNode(read: (req: IncomingMessage, over: (what: unknown) => void) => unknown): Reader {
  return {
    fields: "",
    start: "",
    port(isGuarded, over) {
      const listener: Listener = (req) => read(req, over);
      const server = http.createServer(listener);
      if (isGuarded) createGuard({ logger: false, shutdown: false, crash: false }).attach(server);
      return listen(server);
    },
  };
}

function ofExpress(fields: string, start: string, middleware: () => express.RequestHandler): Reader {
  return {
    fields,
    start,
    port(isGuarded, over) {
      const app = express();
      const guard = rayguard({ logger: false, shutdown: false, crash: false });
      if (isGuarded) app.use(guard);
      app.use(middleware());
      app.use((_req, _res) => over("whole"));
      app.use(((error, _req, _res, _next) => over(error)) as express.ErrorRequestHandler);
      const server = http.createServer(app);
      if (isGuarded) guard.attach(server);
      return listen(server);
    },
  };
}

const READERS: Record<string, Reader> = {
  "for await": ofNode(async (req, over) => {
    try {
      for await (const _chunk of req);
      over("whole");
    } catch (error) {
      over(error);
    }
  }),
  "pipeline() into a file": ofNode(async (req, over) => {
    const directory = await mkdtemp(join(tmpdir(), "cut-"));
    closers.push(() => rm(directory, { recursive: true }));
    pipeline(req, createWriteStream(join(directory, "upload"))).then(() => over("whole"), over);
  }),
  "finished(req)": ofNode((req, over) => {
    req.resume();
    finished(req, (error) => over(error ?? "whole"));
  }),
  "on-finished": ofNode((req, over) => {
    req.resume();
    onFinished(req, (error: unknown) => over(error ?? "over"));
  }),
  "express.json()": ofExpress(JSON_FIELDS, '{"a":"', () => express.json({ limit: "5mb" })),
  "express.raw()": ofExpress("Content-Type: application/octet-stream\r\n", "", () => express.raw({ limit: "5mb" })),
  multer: ofExpress(FORM_FIELDS, FORM, () => multer({ storage: multer.memoryStorage() }).any() as never),
  "the JSON parser of Fastify": {
    fields: JSON_FIELDS,
    start: '{"a":"',
    async port(isGuarded, over) {
      const app = fastify({ bodyLimit: 5_000_000 });
      if (isGuarded) await app.register(fastifyGuard, { logger: false, shutdown: false, crash: false });
      app.post("/", () => over("whole"));
      app.setErrorHandler((error, _request, reply) => {
        over(error);
        void reply.send("failed");
      });
      closers.push(() => app.close());
      await app.listen({ port: 0, host: "127.0.0.1" });
      return (app.server.address() as AddressInfo).port;
    },
  },
  "@fastify/multipart": {
    fields: FORM_FIELDS,
    start: FORM,
    async port(isGuarded, over) {
      const app = fastify();
      if (isGuarded) await app.register(fastifyGuard, { logger: false, shutdown: false, crash: false });
      await app.register(fastifyMultipart, { limits: { fileSize: 5_000_000 } });
      app.post("/", async (request) => {
        try {
          const part = await request.file();
          await part?.toBuffer();
          over("whole");
        } catch (error) {
          over(error);
        }
        return "read";
      });
      closers.push(() => app.close());
      await app.listen({ port: 0, host: "127.0.0.1" });
      return (app.server.address() as AddressInfo).port;
    },
  },
};

function nameOf(what: unknown): string {
  return what instanceof Error ? `${what.name} ${(what as { code?: string }).code} ${what.message}` : String(what);
}

describe.each(Object.entries(READERS))("an upload that is cut, read by %s", (_name, { fields, start, port }) => {
  it("ends for its reader as it does without the guard", async () => {
    const told: string[] = [];
    for (const isGuarded of [false, true]) {
      let over: (what: unknown) => void = () => {};
      const what = new Promise<unknown>((resolve) => {
        over = resolve;
      });
      await cutUpload(await port(isGuarded, over), fields, start);
      told.push(nameOf(await what));
    }
    expect(told[1]).toBe(told[0]);
    expect(told[0]).not.toBe("whole");
  });
});

describe("200 uploads that are cut", () => {
  it("leave no open file, no exchange in flight, and no listener on their sockets", async () => {
    const directory = await mkdtemp(join(tmpdir(), "cut-"));
    closers.push(() => rm(directory, { recursive: true }));
    let open = 0;
    let told = 0;
    const done: Promise<unknown>[] = [];
    const guard: Guard = createGuard({ logger: false, shutdown: false, crash: false });
    const server = http.createServer((req) => {
      open++;
      const file = createWriteStream(join(directory, String(open)));
      req.once("close", () => told++);
      done.push(pipeline(req, file).catch(() => rm(file.path)));
    });
    guard.attach(server);
    const port = await listen(server);
    for (let n = 0; n < 10; n++) await Promise.all(Array.from({ length: 20 }, () => cutUpload(port, "", "")));
    await Promise.all(done);
    const connections = await new Promise<number>((resolve) =>
      server.getConnections((_error, count) => resolve(count)),
    );
    expect({ open, told, connections, inFlight: guard.stats().inFlight }).toEqual({
      open: 200,
      told: 200,
      connections: 0,
      inFlight: 0,
    });
    expect(await readdir(directory)).toEqual([]);
    if (process.platform === "linux") expect(await filesOpenIn(directory)).toEqual([]);
  });
});

async function filesOpenIn(directory: string): Promise<string[]> {
  const targets = await Promise.all(
    (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")),
  );
  return targets.filter((target) => target.startsWith(directory));
}

describe("what is told of a cut upload", () => {
  const quiet = { shutdown: false, crash: false } as const;

  it.each(["enforce", "report"] as const)("is a client that has gone, and no incident, in mode %s", async (mode) => {
    const lines: { level: string; record: Record<string, unknown> }[] = [];
    const line = (level: string) => (record: object) => void lines.push({ level, record: { ...record } });
    const logger = { info: line("info"), warn: line("warn"), error: line("error") };
    let aborted: unknown;
    const gone = new Promise<void>((resolve) => {
      const server = http.createServer((req) => {
        req.resume();
        const { signal } = (req as IncomingMessage & { rayguard: { signal: AbortSignal } }).rayguard;
        signal.addEventListener("abort", () => {
          aborted = (signal.reason as { code: string }).code;
          resolve();
        });
      });
      const guard = createGuard({ ...quiet, mode, logger: logger as never });
      guard.attach(server);
      void listen(server).then((port) => cutUpload(port, "", ""));
    });
    await gone;
    while (lines.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(aborted).toBe("ERR_RAYGUARD_CLIENT_GONE");
    expect(lines.map(({ level, record }) => [level, record.outcome, record.code])).toEqual([
      ["info", "client gone", undefined],
    ]);
  });

  it("runs onRequestAbort of Fastify", async () => {
    const app = fastify();
    closers.push(() => app.close());
    await app.register(fastifyGuard, { ...quiet, logger: false });
    app.addContentTypeParser("*", (_request, payload, done) => {
      payload.on("error", done).resume();
    });
    const ran = new Promise<string>((resolve) => {
      app.addHook("onRequestAbort", (request, done) => {
        resolve(request.method);
        done();
      });
    });
    app.post("/", () => "never");
    await app.listen({ port: 0, host: "127.0.0.1" });
    await cutUpload((app.server.address() as AddressInfo).port, "Content-Type: text/x\r\n", "");
    expect(await ran).toBe("POST");
  });
});
