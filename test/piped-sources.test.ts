import { once } from "node:events";
import http, { type RequestListener, type ServerResponse } from "node:http";
import http2 from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createGuard } from "../src/index.js";
import { listen } from "./testing/servers.js";

/** A source that goes on for longer than any response that it is piped into. */
function live(): PassThrough {
  const source = new PassThrough();
  source.resume();
  const timer = setInterval(() => source.write("x"), 2);
  stops.push(() => clearInterval(timer));
  return source;
}

vi.setConfig({ testTimeout: 20_000 });

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** Who listens to a source. */
function counts(source: PassThrough): string[] {
  return source.eventNames().map((event) => `${String(event)} ${source.listenerCount(event)}`);
}

const WAYS: Readonly<Record<string, (source: PassThrough, response: ServerResponse) => void>> = {
  "until the client leaves": (source, response) => void source.pipe(response),
  "until the app lets go of it": (source, response) => {
    source.pipe(response);
    setTimeout(() => {
      source.unpipe(response);
      response.end();
    }, 5);
  },
  "again and again": (source, response) => {
    for (let n = 0; n < 20; n++) {
      source.pipe(response);
      source.unpipe(response);
    }
    source.pipe(response, { end: false });
    setTimeout(() => response.destroy(), 5);
  },
};

async function visit(port: number): Promise<void> {
  const client = connect(port, "127.0.0.1").on("error", () => {});
  client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await once(client, "data");
  await delay(8);
  client.destroy();
}

async function visitHttp2(port: number): Promise<void> {
  const client = http2.connect(`http://127.0.0.1:${port}`).on("error", () => {});
  const stream = client.request({ ":path": "/" }).on("error", () => {});
  stream.resume();
  await once(stream, "response");
  await delay(8);
  stream.close(http2.constants.NGHTTP2_CANCEL);
  client.close();
}

/** Who listens to a source behind so many responses that it was piped into. */
async function heardAfter(
  visits: number,
  way: (source: PassThrough, response: ServerResponse) => void,
  mode: "bare" | "enforce" | "report",
  protocol: "HTTP/1" | "HTTP/2",
): Promise<() => string[]> {
  const source = live();
  const listener: RequestListener = (_request, response) => {
    response.writeHead(200, { "Content-Type": "text/plain" });
    way(source, response);
  };
  const server = protocol === "HTTP/1" ? http.createServer(listener) : http2.createServer(listener as never);
  if (mode !== "bare") createGuard({ mode, logger: false, holdBackMs: 1 }).attach(server);
  await listen(server);
  const { port } = server.address() as AddressInfo;
  for (let n = 0; n < visits; n++) await (protocol === "HTTP/1" ? visit(port) : visitHttp2(port));
  return () => counts(source);
}

describe.each(["enforce", "report"] as const)("a source that outlives its responses, in mode %s", (mode) => {
  describe.each(["HTTP/1", "HTTP/2"] as const)("over %s", (protocol) => {
    it.each(Object.entries(WAYS))("has no listener of theirs left: %s", async (_what, way) => {
      const bare = await heardAfter(4, way, "bare", protocol);
      await vi.waitFor(() => expect(bare()).toEqual(["prefinish 1"]));
      const guarded = await heardAfter(4, way, mode, protocol);
      await vi.waitFor(() => expect(guarded()).toEqual(["prefinish 1"]), { timeout: 8_000, interval: 50 });
    });
  });
});

const LET_GO: Readonly<Record<string, (response: ServerResponse, note: (what: string) => void) => void>> = {
  "in mid-response, for another one": (response) => {
    const first = new PassThrough();
    first.pipe(response);
    first.write("first,");
    setTimeout(() => {
      first.unpipe(response);
      first.destroy();
      setTimeout(() => Readable.from([" second"]).pipe(response), 60);
    }, 60);
  },
  "at once, and writes what is no content": (response, note) => {
    const source = new PassThrough();
    source.pipe(response);
    source.unpipe(response);
    try {
      response.write(5);
    } catch (error) {
      note((error as NodeJS.ErrnoException).code ?? "");
    }
    response.end("ended");
  },
};

/** The content of a response, and what its app has noted. */
async function received(
  app: (response: ServerResponse, note: (what: string) => void) => void,
  mode: "bare" | "enforce" | "report",
  protocol: "HTTP/1" | "HTTP/2",
): Promise<string[]> {
  const notes: string[] = [];
  const listener: RequestListener = (_request, response) => app(response, (what) => notes.push(what));
  const server = protocol === "HTTP/1" ? http.createServer(listener) : http2.createServer(listener as never);
  if (mode !== "bare") createGuard({ mode, logger: false, holdBackMs: 1 }).attach(server);
  await listen(server);
  const { port } = server.address() as AddressInfo;
  if (protocol === "HTTP/1") {
    const client = connect(port, "127.0.0.1");
    client.write("GET / HTTP/1.0\r\n\r\n");
    const octets = await text(client);
    return [...notes, octets.slice(octets.indexOf("\r\n\r\n") + 4)];
  }
  const client = http2.connect(`http://127.0.0.1:${port}`);
  const stream = client.request({ ":path": "/" });
  const content = await text(stream).catch((error: NodeJS.ErrnoException) => String(error.code));
  client.destroy();
  return [...notes, content];
}

describe.each(["enforce", "report"] as const)("a source that the app lets go of, in mode %s", (mode) => {
  describe.each(["HTTP/1", "HTTP/2"] as const)("over %s", (protocol) => {
    it.each(Object.entries(LET_GO))("is none any more: %s", async (_what, app) => {
      const bare = await received(app, "bare", protocol);
      expect(bare.at(-1)).toMatch(/second|ended/);
      expect(await received(app, mode, protocol)).toEqual(bare);
    });
  });
});
