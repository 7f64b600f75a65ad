import { createServer, type RequestListener } from "node:http";
import { Duplex } from "node:stream";
import express from "express";
import { describe, expect, it } from "vitest";
import { rayguard } from "../adapters/express.js";
import { createGuard } from "../src/index.js";
import { parseResponses } from "../src/parser/parse-response.js";

// Node takes any Duplex for a connection: server.emit("connection", duplex).

/** Two ends of a connection that have nothing of a net.Socket. */
function pair(): [Duplex, Duplex] {
  const ends: Duplex[] = [0, 1].map(
    (at) =>
      new Duplex({
        read() {},
        write(chunk, _encoding, done) {
          ends[1 - at]?.push(chunk);
          done();
        },
        final(done) {
          ends[1 - at]?.push(null);
          done();
        },
      }),
  );
  return ends as [Duplex, Duplex];
}

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
