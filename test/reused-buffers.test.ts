import http, { type RequestListener, type ServerResponse } from "node:http";
import http2 from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { getDefaultHighWaterMark } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { listen } from "./testing/servers.js";

/** Octets of a part; as many as make Node ask for patience, or as few as do not. */
type Write = (response: ServerResponse, octets: Uint8Array, next: () => void) => void;

const WAYS: Readonly<Record<string, { octets: number; write: Write; parts?: number }>> = {
  "once its write has been called back": {
    octets: 10,
    write: (response, octets, next) => response.write(octets, next),
  },
  "that is no Buffer, once its write has been called back": {
    octets: 10,
    write: (response, octets, next) => response.write(new Uint8Array(octets.buffer, octets.byteOffset, 10), next),
  },
  "once it may write on": {
    octets: 20_000,
    parts: 2,
    write: (response, octets, next) => {
      if (response.write(octets)) next();
      else response.once("drain", next);
    },
  },
  "of two in one turn": {
    octets: 10,
    write: (response, octets, next) => {
      response.write(octets.subarray(0, 5));
      response.write(octets.subarray(5), next);
    },
  },
};

/** An app that has one buffer, and fills it anew for each part of its content. */
function app({ octets, write, parts = 5 }: { octets: number; write: Write; parts?: number }): RequestListener {
  return (_request, response) => {
    const buffer = Buffer.alloc(octets);
    let part = 0;
    const next = () => {
      if (part === parts) return void response.end();
      buffer.fill(97 + part++);
      write(response, buffer, next);
    };
    response.setHeader("Content-Type", "text/plain");
    next();
  };
}

/** What has come, each run of one letter as that letter and how long it is. */
function runs(content: string): string {
  return content.replace(/(.)\1*/g, (run, letter) => `${letter}${run.length} `).trim();
}

async function overHttp1(listener: RequestListener, mode?: "enforce" | "report"): Promise<string> {
  const server = http.createServer({ highWaterMark: 16_384 }, listener);
  if (mode !== undefined) createGuard({ mode, logger: false, holdBackMs: 500 }).attach(server);
  await listen(server);
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  client.write("GET / HTTP/1.0\r\n\r\n");
  const octets = await text(client);
  return runs(octets.slice(octets.indexOf("\r\n\r\n") + 4));
}

async function overHttp2(listener: RequestListener, mode?: "enforce" | "report"): Promise<string> {
  const server = http2.createServer(listener as never);
  if (mode !== undefined) createGuard({ mode, logger: false, holdBackMs: 500 }).attach(server);
  await listen(server);
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const content = await text(client.request({ ":path": "/" }));
  client.destroy();
  return runs(content);
}

describe.each(["enforce", "report"] as const)("an app that fills a buffer anew, in mode %s", (mode) => {
  it.each(Object.entries(WAYS))("sends what it has written over HTTP/1: %s", async (_what, way) => {
    const bare = await overHttp1(app(way));
    expect(bare).toBe(
      [..."abcde"]
        .slice(0, way.parts)
        .map((letter) => `${letter}${way.octets}`)
        .join(" "),
    );
    expect(await overHttp1(app(way), mode)).toBe(bare);
  });

  it.each(Object.entries(WAYS))("sends what it has written over HTTP/2: %s", async (_what, given) => {
    // A stream asks for patience where Node says, which depends on the version.
    const way = given.parts === undefined ? given : { ...given, octets: getDefaultHighWaterMark(false) + 1 };
    const bare = await overHttp2(app(way));
    expect(bare).toBe(
      [..."abcde"]
        .slice(0, way.parts)
        .map((letter) => `${letter}${way.octets}`)
        .join(" "),
    );
    expect(await overHttp2(app(way), mode)).toBe(bare);
  });
});
