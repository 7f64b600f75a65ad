import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { Duplex, PassThrough } from "node:stream";
import express from "express";
import { describe, expect, it } from "vitest";
import { rayguard } from "../adapters/express.js";
import { createGuard } from "../src/index.js";
import { parseResponses } from "../src/parser/parse-response.js";
import { pair } from "./helpers/duplex-pair.js";

// Node takes any Duplex for a connection: server.emit("connection", duplex).

const listener: RequestListener = (request, response) => {
  if (request.url === "/destroy") request.socket.destroy();
  else if (request.url === "/short") response.setHeader("Content-Length", "9").end("ok");
  else response.end("ok");
};

describe.each(["enforce", "report"] as const)("a connection that is a Duplex, in mode %s", (mode) => {
  const options = { mode, logger: false, firstByteDeadlineMs: 500 } as const;
  const attached = () => {
    const server = createServer(listener);
    createGuard(options).attach(server);
    return server;
  };
  const mounted = () =>
    createServer(
      express()
        .use(rayguard(options))
        .use(listener as never) as RequestListener,
    );

  it.each([
    ["attached", attached],
    ["that is only middleware", mounted],
  ])("is answered, persists and ends, with a guard %s", async (_how, make) => {
    const [near, far] = pair();
    make().emit("connection", far);
    const octets: Buffer[] = [];
    near.on("data", (chunk) => octets.push(chunk));
    const ended = new Promise((resolve) => near.once("end", resolve));
    near.write("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await ended;
    const requests = [{ method: "GET" }, { method: "GET" }];
    const { responses, problems } = parseResponses(Buffer.concat(octets), { requests });
    expect(problems).toEqual([]);
    expect(responses.map((response) => response.text())).toEqual(["ok", "ok"]);
  });

  it.runIf(mode === "enforce").each(["/destroy", "/short"])("gets a complete answer for %s", async (path) => {
    const [near, far] = pair();
    attached().emit("connection", far);
    const octets: Buffer[] = [];
    near.on("data", (chunk) => octets.push(chunk));
    near.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await expect
      .poll(() => parseResponses(Buffer.concat(octets), { requests: [{ method: "GET" }] }).responses[0]?.status)
      .toBe(500);
  });
});

const UPLOAD = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc";

/** Has an upload arrive over a stream that is no socket. @returns what ends what that stream is made of */
const BELOW: Record<string, (arrive: (connection: Duplex) => void) => Promise<() => void>> = {
  "a tunnel of HTTP/2": async (arrive) => {
    const server = http2.createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    server.on("stream", (stream) => {
      stream.on("error", () => {}).respond();
      arrive(stream);
    });
    const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`).on("error", () => {});
    const tunnel = session.request({ ":method": "CONNECT", ":authority": "a:1" }, { endStream: false });
    tunnel.on("error", () => {}).write(UPLOAD);
    return () => {
      session.destroy();
      server.close();
    };
  },
  "a Duplex of two streams": async (arrive) => {
    const readable = new PassThrough();
    arrive(Duplex.from({ readable, writable: new PassThrough() }).on("error", () => {}));
    readable.write(UPLOAD);
    return () => void readable.destroy(new Error("gone"));
  },
};

describe.each(Object.entries(BELOW))("an upload over %s that ends below", (_what, start) => {
  it.each(["enforce", "report"] as const)("is one whose client has gone, in mode %s", async (mode) => {
    const lines: Record<string, unknown>[] = [];
    const note = (line: object) => void lines.push({ ...line });
    const logger = { info: note, warn: note, error: note, debug() {} };
    const told: string[] = [];
    let seen = () => {};
    const arrived = new Promise<void>((resolve) => {
      seen = resolve;
    });
    const server = createServer((request, response) => {
      request.once("data", seen).on("error", () => told.push("error"));
      response.on("close", () => told.push("close"));
    });
    createGuard({ mode, logger: logger as never, logBatchMs: 0, shutdown: false, crash: false }).attach(server);
    const end = await start((connection) => void server.emit("connection", connection));
    await arrived;
    end();
    await expect.poll(() => told.toSorted()).toEqual(["close", "error"]);
    await expect.poll(() => lines.filter(({ outcome }) => outcome !== undefined)).toHaveLength(1);
    expect(lines.map(({ outcome, code }) => outcome ?? code)).toEqual(["client gone"]);
  });
});
