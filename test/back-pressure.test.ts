import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { selfSigned } from "./testing/certificate.js";

const certificate = selfSigned();

it("stops a source that pushes within one tick, and goes on with it", async () => {
  let stopped = false;
  const server = http.createServer((_req, res) => {
    let pushed = 0;
    res.once("drain", () => {
      stopped = true;
    });
    new Readable({
      read: function read() {
        this.push(pushed++ < 20 ? Buffer.alloc(10_000) : null);
      },
    }).pipe(res);
  });
  createGuard({ logger: false }).attach(server.listen(0));
  const { responses, valid } = await exchange(server, { path: "/" });
  server.close();
  expect([valid, responses[0]?.content.byteLength, stopped]).toEqual([true, 200_000, true]);
});

it.each([0, 100])(
  "tells an app that it may write on as Node does, with %i octets held back",
  async (holdBackOctets) => {
    const answers: unknown[][] = [];
    for (const isGuarded of [false, true]) {
      const told: unknown[] = [];
      answers.push(told);
      const server = http.createServer((_req, res) => {
        res.on("drain", () => told.push("drain"));
        res.flushHeaders();
        for (const piece of ["a", "b".repeat(200), "c".repeat(200_000)])
          told.push(res.write(piece), res.writableNeedDrain);
        setTimeout(() => res.end(), 20);
      });
      if (isGuarded) createGuard({ logger: false, shutdown: false, crash: false, holdBackOctets }).attach(server);
      server.listen(0);
      const { responses } = await exchange(server, { path: "/" });
      server.close();
      told.push(responses[0]?.content.byteLength);
    }
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[0]).toEqual([true, false, true, false, false, true, "drain", 200_201]);
  },
);

describe("an app that writes on whenever it is told that it may", () => {
  const LETTERS = "ABCDEFGHIJKL";
  const PIECE = 20_000;

  async function received(isGuarded: boolean, asText: boolean, fields: object, waits: boolean): Promise<string> {
    const server = http.createServer((_req, res) => {
      res.writeHead(200, { ...fields });
      let sent = 0;
      const writeOn = () => {
        while (sent < LETTERS.length) {
          const piece = LETTERS.charAt(sent++).repeat(PIECE);
          if (!res.write(asText ? piece : Buffer.from(piece))) return;
        }
        res.off("drain", writeOn).end();
      };
      res.on("drain", writeOn);
      if (waits) setTimeout(writeOn, 5);
      else writeOn();
    });
    if (isGuarded) createGuard({ logger: false, shutdown: false, crash: false }).attach(server);
    server.listen(0);
    const { responses, problems } = await exchange(server, { path: "/" });
    server.close();
    expect(problems).toEqual([]);
    return (responses[0]?.text() ?? "").replace(/(.)\1*/g, (run, letter) =>
      run.length === PIECE ? letter : `${letter}?`,
    );
  }

  describe.each([
    ["in chunks", {}],
    ["of a known length", { "Content-Length": LETTERS.length * PIECE }],
  ])("%s", (_, fields) => {
    it.each([
      ["text at once", true, false],
      ["text later", true, true],
      ["octets at once", false, false],
      ["octets later", false, true],
    ])("has its content arrive in order: %s", async (_how, asText, waits) => {
      expect(await received(false, asText, fields, waits)).toBe(LETTERS);
      expect(await received(true, asText, fields, waits)).toBe(LETTERS);
    });
  });
});

/** What an app finds of its own content behind each write, and once it may write on. */
async function found(
  isGuarded: boolean,
  isSecure: boolean,
  chunks: readonly (string | Buffer)[],
  fields: object,
): Promise<unknown[]> {
  const facts: unknown[] = [];
  const listener: http.RequestListener = (_req, res) => {
    // Without these two the header sections would differ in their length.
    res.writeHead(200, { Connection: "close", Date: new Date(0).toUTCString(), ...fields });
    const look = () => [res.writableLength, res.writableNeedDrain, res.socket?.bytesWritten];
    let drained = false;
    res.once("drain", () => {
      drained = true;
      facts.push("drain", ...look());
    });
    for (const chunk of chunks) facts.push(res.write(chunk), ...look());
    setTimeout(() => {
      facts.push(drained, ...look());
      if (!("Content-Length" in fields)) facts.push(res.write("more"), ...look());
      res.end();
    }, 10);
  };
  const server = isSecure ? https.createServer(certificate, listener) : http.createServer(listener);
  if (isGuarded) createGuard({ logger: false, shutdown: false, crash: false, holdBackMs: 1_000 }).attach(server);
  server.listen(0);
  const { port } = server.address() as AddressInfo;
  const { valid } = await exchange({ port, tls: isSecure && { rejectUnauthorized: false } }, { path: "/" });
  server.close();
  return [valid, ...facts];
}

describe.each([false, true])("content that is held back, over TLS: %s", (isSecure) => {
  const small = Array.from({ length: 3 }, () => "x".repeat(100));
  const large = ["x".repeat(10_000), "x".repeat(10_000), "x".repeat(10_000)];
  const larger = ["x".repeat(60_000), "y"];
  it.each([
    ["a little, in chunks", small, {}],
    ["a little, of a known length", small, { "Content-Length": 300 }],
    ["more than the recipient is said to take, in chunks", large, {}],
    ["more than the recipient is said to take, of a known length", large, { "Content-Length": 30_000 }],
    ["octets", large.map((text) => Buffer.from(text)), {}],
    ["more than that at once", larger, {}],
    ["characters of more than one octet", ["é".repeat(9_000)], {}],
  ])("is as much in the way of the app as if it were not: %s", async (_what, chunks, fields) => {
    expect(await found(true, isSecure, chunks, fields)).toEqual(await found(false, isSecure, chunks, fields));
  });
});
