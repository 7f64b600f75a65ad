import { createServer, type RequestListener, type ServerResponse } from "node:http";
import http2 from "node:http2";
import type { AddressInfo, Server, Socket } from "node:net";
import { Readable } from "node:stream";
import { brotliCompressSync, createGzip, deflateRawSync, deflateSync, gunzipSync, gzipSync } from "node:zlib";
import compress from "@fastify/compress";
import compression from "compression";
import express from "express";
import fastify from "fastify";
import { afterEach, describe, expect, it } from "vitest";
import { rayguard } from "../adapters/express.js";
import fastifyGuard from "../adapters/fastify.js";
import { readImfFixdate } from "../src/http/date.js";
import { createGuard, type GuardOptions } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { isProvenOtherwise } from "../src/validity/content-coding.js";
import { listen } from "./testing/servers.js";

const GET = "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\r\n";
const TEXT = JSON.stringify({ text: "plain ".repeat(400) });

const incidents: { code: string; action: string }[] = [];
const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

function options(mode: GuardOptions["mode"] = "enforce"): GuardOptions {
  incidents.length = 0;
  const note = (record: object) => {
    if ("action" in record) incidents.push(record as { code: string; action: string });
  };
  return { mode, logger: { info: note, warn: note, error: note } };
}

async function ask(listener: RequestListener, request = GET, guarded: GuardOptions = options()) {
  const server = createServer(listener);
  createGuard(guarded).attach(server);
  const { responses, problems, octets } = await exchange(await listen(server), request);
  const codes = incidents.map(({ code, action }) => `${code} ${action}`);
  return { response: responses[0], problems, codes, octets };
}

/** What a client of HTTP/2 gets. */
async function askHttp2(listener: (request: unknown, response: http2.Http2ServerResponse) => void) {
  const server = http2.createServer(listener as never);
  createGuard(options()).attach(server);
  await listen(server as unknown as Server);
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  open.push(client);
  const stream = client.request({ ":path": "/" });
  let fields: http2.IncomingHttpHeaders = {};
  stream.on("response", (received) => {
    fields = received;
  });
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return { fields, content: Buffer.concat(chunks), codes: incidents.map(({ code }) => code) };
}

const NO_DATES = ["yesterday", "", "0", "Invalid Date", "2026-11-28T19:52:26Z", "Sat, 31 Feb 2026 08:49:37 GMT"];

describe("a Date that is no date (MD-1)", () => {
  const isNow = (value: string | undefined) => Math.abs((readImfFixdate(value ?? "") ?? 0) - Date.now()) < 10_000;

  const ways: Record<string, (response: ServerResponse, value: string) => void> = {
    setHeader: (r, value) => void r.setHeader("Date", value),
    writeHead: (r, value) => void r.writeHead(200, { date: value }),
    "a list in writeHead": (r, value) => void r.writeHead(200, ["Date", value]),
    "writeHead over setHeader": (r, value) => void r.setHeader("X-Any", "1").writeHead(200, { Date: value }),
    "two lines": (r, value) => void r.writeHead(200, ["Date", new Date().toUTCString(), "Date", value]),
    "sendDate off": (r, value) => {
      r.sendDate = false;
      r.setHeader("Date", value);
    },
  };
  it.each(Object.keys(ways))("is replaced with the time of the response, given by %s", async (way) => {
    for (const value of NO_DATES) {
      const { response, problems, codes } = await ask((_request, r) => {
        ways[way]?.(r, value);
        r.end("ok");
      });
      expect({ value, problems, text: response?.text() }).toEqual({ value, problems: [], text: "ok" });
      expect(response?.fields.filter(([name]) => name.toLowerCase() === "date")).toHaveLength(1);
      expect(isNow(response?.field("date"))).toBe(true);
      expect(codes).toContain("MD-1 repaired");
    }
  });

  it("is replaced where it is a number, or an object of Date", async () => {
    for (const value of [Date.now(), new Date()]) {
      const { response, codes } = await ask((_request, r) => r.setHeader("Date", value as never).end("ok"));
      expect({ now: isNow(response?.field("date")), codes }).toEqual({ now: true, codes: ["MD-1 repaired"] });
    }
  });

  const byHand: Record<string, (r: ServerResponse, value: string) => void> = {
    "a complete response": (r, value) =>
      void r.socket?.write(`HTTP/1.1 200 OK\r\nDate: ${value}\r\nContent-Length: 2\r\n\r\nok`),
    "a response that ends with the connection": (r, value) =>
      void r.socket?.end(`HTTP/1.1 200 OK\r\ndate:${value}\r\n\r\nok`),
    "a stream": (r, value) => {
      r.socket?.write(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDATE:  ${value}\r\n\r\no`);
      setTimeout(() => r.socket?.end("k"), 100); // longer than content is held back
    },
  };

  it.each(Object.keys(byHand))("is replaced in %s that is written to the socket", async (way) => {
    for (const value of NO_DATES) {
      const { response, problems, codes } = await ask((_request, r) => byHand[way]?.(r, value));
      expect({ value, problems, text: response?.text() }).toEqual({ value, problems: [], text: "ok" });
      expect(response?.fieldLines("date")).toHaveLength(1);
      expect(isNow(response?.field("date"))).toBe(true);
      expect(codes).toContain("MD-1 repaired");
    }
    const valid = "Sun, 06 Nov 1994 08:49:37 GMT";
    const { response, codes } = await ask((_request, r) => byHand[way]?.(r, valid));
    expect([response?.field("date"), codes]).toEqual([valid, []]);
  });

  it("is replaced in what is written to the socket of a refused upgrade, and of octets that are no request", async () => {
    for (const event of ["upgrade", "clientError"] as const) {
      const server = createServer(() => {});
      server.on(event, (...args: unknown[]) => {
        (args[1] as Socket).end("HTTP/1.1 400 Bad Request\r\nDate: soon\r\nContent-Length: 0\r\n\r\n");
      });
      createGuard(options()).attach(server);
      const request =
        event === "upgrade" ? GET.replace("\r\n\r\n", "\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n") : "GET\r\n\r\n";
      const { responses, problems } = await exchange(await listen(server), request);
      expect({ event, problems, now: isNow(responses[0]?.field("date")) }).toEqual({ event, problems: [], now: true });
    }
  });

  it("is replaced over HTTP/2", async () => {
    const { fields, codes } = await askHttp2((_request, r) => {
      r.setHeader("Date", "yesterday");
      r.end("ok");
    });
    expect({ now: isNow(fields.date), codes }).toEqual({ now: true, codes: ["MD-1"] });
  });

  it.each(["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"])(
    "is what %s is not: it goes out as it is",
    async (value) => {
      for (let i = 0; i < 2; i++) {
        const { response, codes } = await ask((_request, r) => r.writeHead(200, { Date: value }).end("ok"));
        expect({ date: response?.field("date"), codes }).toEqual({ date: value, codes: [] });
      }
    },
  );

  it("is told in report mode, and goes out as it is", async () => {
    const { response, codes } = await ask((_request, r) => r.setHeader("Date", "soon").end(), GET, options("report"));
    expect({ date: response?.field("date"), codes }).toEqual({ date: "soon", codes: ["MD-1 reported"] });
  });
});

describe("content that is not what Content-Encoding says (MD-9)", () => {
  const ends: Record<string, (response: ServerResponse, content: Buffer | string) => void> = {
    "end()": (r, content) => void r.end(content),
    "write() and end()": (r, content) => {
      r.write(content);
      r.end();
    },
    "pieces that begin with nothing": (r, content) => {
      r.write("");
      r.write(content.slice(0, 20));
      setImmediate(() => r.end(content.slice(20)));
    },
    "a length, in two pieces": (r, content) => {
      r.setHeader("Content-Length", Buffer.byteLength(content));
      r.write(content.slice(0, 20));
      r.end(content.slice(20));
    },
    "chunks, in end()": (r, content) => void r.setHeader("Transfer-Encoding", "chunked").end(content),
    "corked chunks": (r, content) => {
      r.cork();
      r.write(content.slice(0, 20));
      r.write(content.slice(20));
      r.uncork();
      r.end();
    },
    pipe: (r, content) => void Readable.from([Buffer.from(content)]).pipe(r),
    "a string in base64": (r, content) => void r.end(Buffer.from(content).toString("base64"), "base64"),
  };

  it.each(
    ["gzip", "x-gzip", "GZIP", "deflate", "zstd"].flatMap((coding) => Object.keys(ends).map((end) => [coding, end])),
  )("%s by %s: the field goes, and the content is readable", async (coding, end) => {
    for (const content of [TEXT, Buffer.from("<!DOCTYPE html><p>text")]) {
      const { response, problems, codes } = await ask((_request, r) => {
        r.setHeader("Content-Encoding", coding as string);
        r.setHeader("ETag", '"1"');
        ends[end as string]?.(r, content);
      });
      expect({ problems, text: response?.content.toString() }).toEqual({ problems: [], text: String(content) });
      expect(response?.field("content-encoding")).toBeUndefined();
      expect(response?.field("etag")).toBe('"1"');
      expect(codes).toEqual(["MD-9 repaired"]);
    }
  });

  it("is found in the argument of writeHead", async () => {
    for (const given of [{ "content-encoding": "gzip" }, ["Content-Encoding", "gzip"]] as never[]) {
      const { response, codes } = await ask((_request, r) => r.writeHead(200, given).end(TEXT));
      expect({ coding: response?.field("content-encoding"), codes }).toEqual({
        coding: undefined,
        codes: ["MD-9 repaired"],
      });
    }
  });

  it.each<[what: string, coding: string, content: Buffer]>([
    ["gzip", "gzip", gzipSync(TEXT)],
    ["zlib", "deflate", deflateSync(TEXT)],
    ["deflate without a zlib header", "deflate", deflateRawSync(TEXT)],
    ["zstd", "zstd", Buffer.from("28b52ffd0458190000616263", "hex")],
    ["zstd behind a frame to be skipped", "zstd", Buffer.from("5e2a4d180400000000000000", "hex")],
    ["brotli", "br", brotliCompressSync(TEXT)],
    ["brotli that cannot be told", "br", Buffer.from(TEXT)],
    ["a list of codings", "br, gzip", Buffer.from(TEXT)],
    ["a coding nobody knows", "own", Buffer.from(TEXT)],
    ["identity", "identity", Buffer.from(TEXT)],
  ])("is not found in %s", async (_what, coding, content) => {
    for (const end of Object.keys(ends)) {
      const { response, problems, codes } = await ask((_request, r) => {
        r.setHeader("Content-Encoding", coding);
        ends[end]?.(r, content);
      });
      expect({ end, problems, codes }).toEqual({ end, problems: [], codes: [] });
      expect(response?.field("content-encoding")).toBe(coding);
      expect(response?.content).toEqual(content);
    }
  });

  it.each<[what: string, request: string, listener: RequestListener]>([
    ["HEAD", GET.replace("GET", "HEAD"), (_q, r) => r.end(TEXT)],
    ["304", GET, (_q, r) => r.writeHead(304).end()],
    ["a range", GET, (_q, r) => r.writeHead(206, { "Content-Range": "bytes 5-9/100" }).end("plain")],
    ["no content at all", GET, (_q, r) => r.end()],
  ])("is not looked for in %s", async (_what, request, listener) => {
    const { response, codes } = await ask((q, r) => {
      r.setHeader("Content-Encoding", "gzip");
      listener(q, r as never);
    }, request);
    expect({ coding: response?.field("content-encoding"), codes }).toEqual({ coding: "gzip", codes: [] });
  });

  it("is told in report mode, and goes out as it is", async () => {
    for (const end of Object.keys(ends)) {
      const listener: RequestListener = (_request, r) => {
        r.setHeader("Content-Encoding", "gzip");
        ends[end]?.(r, TEXT);
      };
      const { response, codes } = await ask(listener, GET, options("report"));
      expect({ end, coding: response?.field("content-encoding"), codes }).toEqual({
        end,
        coding: "gzip",
        codes: ["MD-9 reported"],
      });
    }
  });

  it.each<[what: string, coding: string | undefined, content: Buffer, write: boolean]>([
    ["text by end()", undefined, Buffer.from(TEXT), false],
    ["text by write()", undefined, Buffer.from(TEXT), true],
    ["gzip by end()", "gzip", gzipSync(TEXT), false],
    ["gzip by write()", "gzip", gzipSync(TEXT), true],
  ])("HTTP/2: %s", async (_what, coding, content, write) => {
    const answer = await askHttp2((_request, r) => {
      r.setHeader("Content-Encoding", "gzip");
      if (write) {
        r.write(content);
        r.end();
      } else r.end(content);
    });
    expect(answer.fields["content-encoding"]).toBe(coding);
    expect(answer.content).toEqual(content);
    expect(answer.codes).toEqual(coding === undefined ? ["MD-9"] : []);
  });

  it("is not found in what compression and @fastify/compress make", async () => {
    const app = express();
    app.use(rayguard(options()));
    app.use(compression({ threshold: 0 }));
    app.get("/", (_request, response) => void response.send(TEXT));
    app.get("/piped", (_request, response) => void Readable.from([TEXT]).pipe(response.type("json")));
    const server = await listen(createServer(app));
    const other = fastify();
    open.push(other);
    await other.register(fastifyGuard, options());
    await other.register(compress, { threshold: 0 });
    other.get("/", () => JSON.parse(TEXT));
    other.get("/piped", (_request, reply) => reply.type("application/json").send(Readable.from([TEXT])));
    await other.listen({ port: 0, host: "127.0.0.1" });
    for (const target of [server, other.server]) {
      for (const path of ["/", "/piped"]) {
        const { responses, problems } = await exchange(
          target,
          GET.replace("/ ", `${path} `).replace("gzip, deflate, br, zstd", "gzip"),
        );
        expect({ problems, coding: responses[0]?.field("content-encoding") }).toEqual({ problems: [], coding: "gzip" });
        expect(gunzipSync(responses[0]?.content as Buffer).toString()).toBe(TEXT);
      }
    }
    expect(incidents).toEqual([]);
  });

  it("is not found in a stream that begins with a single octet", async () => {
    const { response, codes } = await ask((_request, r) => {
      r.setHeader("Content-Encoding", "gzip");
      const gzip = createGzip();
      gzip.on("data", (chunk: Buffer) => {
        r.write(chunk.subarray(0, 1));
        if (chunk.length > 1) r.write(chunk.subarray(1));
      });
      gzip.on("end", () => r.end());
      gzip.end(TEXT);
    });
    expect(gunzipSync(response?.content as Buffer).toString()).toBe(TEXT);
    expect(codes).toEqual([]);
  });
});

describe("first octets of content", () => {
  it("prove nothing where there are none, and what there is of them otherwise", () => {
    expect(isProvenOtherwise("gzip", Buffer.of())).toBe(false);
    expect(isProvenOtherwise("gzip", Buffer.of(0x1f))).toBe(false);
    expect(isProvenOtherwise("gzip", Buffer.of(0x1f, 0x8c))).toBe(true);
    expect(isProvenOtherwise("zstd", Buffer.of(0x28, 0xb5))).toBe(false);
  });
});
