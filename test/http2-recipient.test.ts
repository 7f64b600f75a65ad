import http2, { type Http2ServerResponse, type ServerHttp2Stream } from "node:http2";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { GuardOptions } from "../src/index.js";
import type { RequestRecord } from "../src/report/log.js";
import { send, start, stopAll } from "./helpers/http2.js";

afterEach(stopAll);

type Line = RequestRecord & { code?: string; action?: string };

const CONTENT = Buffer.alloc(2_000_000, "x");
const PIECE = 10_000;
/** Of a stream, unless it is told otherwise (RFC 9113, section 6.9.2). */
const WINDOW = 65_535;

/** Ways for an app to hand over more than the window of a stream takes. */
const WRITERS: Readonly<Record<string, (stream: ServerHttp2Stream, response: Http2ServerResponse) => void>> = {
  "the core API, whole": (stream) => {
    stream.respond({ "content-length": CONTENT.length });
    stream.end(CONTENT);
  },
  "the compatibility API, in pieces": (_stream, response) => {
    for (let at = 0; at < CONTENT.length; at += PIECE) response.write(CONTENT.subarray(at, at + PIECE));
    response.end();
  },
};

/** A client that opens the window of its stream no further until it is told to. */
async function visit(writer: string, options: GuardOptions) {
  const lines: Line[] = [];
  const note = (record: object) => void lines.push(record as Line);
  const { client, guard } = await start(
    (server) => {
      server.on("stream", (stream) => stream.on("error", () => {}));
      server.on("request", (_, response) => WRITERS[writer]?.(response.stream, response));
    },
    { idleDeadlineMs: 150, firstByteDeadlineMs: 150, logger: { info: note, warn: note, error: note }, ...options },
  );
  const stream = send(client);
  const seen = { octets: 0, ended: false };
  await new Promise((resolve) => stream.once("response", resolve));
  const closed = new Promise((resolve) => stream.once("close", resolve));
  const resume = () =>
    stream
      .on("data", (chunk: Buffer) => {
        seen.octets += chunk.length;
      })
      .on("end", () => {
        seen.ended = true;
      });
  return { stream, seen, resume, closed, lines, guard };
}

describe.each(Object.keys(WRITERS))("a recipient over HTTP/2 whose window stays closed, written by %s", (writer) => {
  it("is waited for longer than the deadlines of the app", async () => {
    const { seen, resume, closed, lines } = await visit(writer, {});
    await wait(600);
    expect(lines).toEqual([]);
    resume();
    await closed;
    expect(seen).toEqual({ octets: CONTENT.length, ended: true });
    await expect.poll(() => lines).toMatchObject([{ outcome: "intact", octets: CONTENT.length }]);
  });

  it("is cut after recipientDeadlineMs, by its own name and with the octets that left", async () => {
    const { stream, resume, closed, lines, guard } = await visit(writer, { recipientDeadlineMs: 300 });
    await expect.poll(() => lines.length, { timeout: 3_000 }).toBe(2);
    expect(lines.find(({ action }) => action === "torn down")).toMatchObject({ code: "RECIPIENT_DEADLINE" });
    const line = lines.find(({ outcome }) => outcome !== undefined);
    expect(line).toMatchObject({ outcome: "torn down", incident: "RECIPIENT_DEADLINE" });
    resume();
    await closed;
    expect(stream.rstCode).toBe(http2.constants.NGHTTP2_INTERNAL_ERROR);
    // Whole writes are counted; Node makes one of all that waits behind the first piece.
    expect(line?.octets).toBeLessThanOrEqual(WINDOW);
    expect(line?.octets).toBeGreaterThanOrEqual(writer.includes("pieces") ? PIECE : 0);
    expect(guard?.stats().prevented).toEqual({ "520": 0, "522": 0, "524": 0 });
  });

  it("has the octets that left counted where it goes away", async () => {
    const { stream, lines } = await visit(writer, {});
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await expect.poll(() => lines).toMatchObject([{ outcome: "client gone" }]);
    expect(lines[0]?.octets).toBeLessThanOrEqual(WINDOW);
  });
});

describe("a recipient over HTTP/2 that takes one long write bit by bit", () => {
  it.each(Object.keys(WRITERS))("is waited for as long as it goes on, by %s", async (writer) => {
    const { stream, seen, resume, closed, lines } = await visit(writer, { recipientDeadlineMs: 500 });
    resume();
    stream.on("data", () => {
      stream.pause();
      setTimeout(() => stream.resume(), 10);
    });
    await closed;
    expect(seen).toEqual({ octets: CONTENT.length, ended: true });
    await expect.poll(() => lines).toMatchObject([{ outcome: "intact", octets: CONTENT.length }]);
  });
});

describe("a client over HTTP/2 that has its answer, and goes on sending", () => {
  const EARLY: Readonly<Record<string, (server: http2.Http2Server) => void>> = {
    "read, the compatibility API": (server) =>
      server.on("request", (request, response) => {
        request.resume();
        response.writeHead(413).end("too much");
      }),
    "read, the core API": (server) =>
      server.on("stream", (stream) => {
        stream.resume();
        stream.respond({ ":status": 413 });
        stream.end("too much");
      }),
    "a CONNECT that nobody listens for": (server) => server.on("request", () => {}),
  };

  it.each(Object.keys(EARLY))("is not taken for one that does not take it: %s", async (name) => {
    for (const mode of ["enforce", "report"] as const) {
      const lines: Line[] = [];
      const note = (record: object) => void lines.push(record as Line);
      const { client } = await start((server) => EARLY[name]?.(server), {
        mode,
        ...{ idleDeadlineMs: 150, firstByteDeadlineMs: 150, recipientDeadlineMs: 150 },
        logger: { info: note, warn: note, error: note },
      });
      const isConnect = name.includes("CONNECT");
      const stream = client.request(
        isConnect ? { ":method": "CONNECT", ":authority": "a:443" } : { ":method": "POST", ":path": "/" },
      );
      stream.write("a");
      let text = "";
      stream.setEncoding("latin1").on("data", (part: string) => {
        text += part;
      });
      const [headers] = await Promise.all([
        new Promise<http2.IncomingHttpHeaders>((resolve) => stream.once("response", resolve)),
        new Promise((resolve) => stream.once("end", resolve)),
      ]);
      expect([headers[":status"], text]).toEqual(isConnect ? [405, ""] : [413, "too much"]);
      await wait(700);
      stream.end("b");
      await new Promise((resolve) => stream.once("close", resolve));
      expect(stream.rstCode).toBe(0);
      await expect.poll(() => lines).toMatchObject([{ outcome: "intact" }]);
    }
  });
});

it("leaves an app that stalls behind a window that was closed no more time than any other", async () => {
  const { client, incidents } = await start(
    (server) => server.on("request", (_, response) => void response.write(CONTENT)),
    { idleDeadlineMs: 150, firstByteDeadlineMs: 150 },
  );
  const stream = send(client);
  await new Promise((resolve) => stream.once("response", resolve));
  await wait(100);
  stream.resume();
  const closed = new Promise((resolve) => stream.once("close", () => resolve(stream.rstCode)));
  expect(await Promise.race([closed, wait(3_000, "open")])).toBe(http2.constants.NGHTTP2_INTERNAL_ERROR);
  expect(incidents.map(({ code }) => code)).toEqual(["MC-10"]);
});
