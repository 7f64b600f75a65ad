import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import http2, { type Http2Server, type ServerHttp2Stream } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { GuardOptions } from "../src/index.js";
import { seen, send, start, stopAll } from "./helpers/http2.js";

afterEach(stopAll);

type OnStream = (stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => unknown;

/** Adds a listener of the core API, async ones included. */
const core = (listener: OnStream) => (server: Http2Server) => void server.on("stream", listener as never);

describe("an app that closes the stream in place of an answer", () => {
  const quiet = (stream: ServerHttp2Stream) => stream.on("error", () => {});
  const WAYS: Record<string, (code: number) => (server: Http2Server) => void> = {
    "stream.close()": (code) => core((stream) => quiet(stream).close(code)),
    "response.stream.close()": (code) => (server) =>
      void server.on("request", (_, { stream }) => quiet(stream).close(code)),
    "stream.close(), later": (code) => core((stream) => void setTimeout(() => quiet(stream).close(code), 5)),
    "session.destroy()": (code) => core((stream) => quiet(stream).session?.destroy(undefined, code)),
  };
  const CODES: [code: string, status: number, retryAfter: string | undefined][] = [
    ["NO_ERROR", 500, undefined],
    ["PROTOCOL_ERROR", 500, undefined],
    ["INTERNAL_ERROR", 500, undefined],
    ["REFUSED_STREAM", 503, "5"],
    ["CANCEL", 500, undefined],
    ["ENHANCE_YOUR_CALM", 503, "5"],
    ["INADEQUATE_SECURITY", 500, undefined],
    ["HTTP_1_1_REQUIRED", 505, undefined],
  ];

  describe.each(Object.entries(WAYS))("by %s", (how, way) => {
    it.each(CODES)("with %s asks for the same by a status", async (name, status, retryAfter) => {
      const code = http2.constants[`NGHTTP2_${name}` as "NGHTTP2_CANCEL"];
      const { client, incidents } = await start(way(code), {});
      const request = send(client);
      const head = once(request, "response");
      expect(await seen(request)).toMatchObject({ status, complete: true });
      expect((await head)[0]["retry-after"]).toBe(retryAfter);
      expect(incidents).toMatchObject([{ code: "MC-2", action: "replaced" }]);
    });

    it.each(CODES)("with %s is watched in report mode", async (name) => {
      const code = http2.constants[`NGHTTP2_${name}` as "NGHTTP2_CANCEL"];
      const bare = await seen(send((await start(way(code))).client));
      const { client, incidents } = await start(way(code), { mode: "report" });
      expect(await seen(send(client))).toEqual(bare);
      expect(bare.status).toBe(0);
      if (how !== "session.destroy()") expect(incidents.map((incident) => incident.code)).toEqual(["MC-2"]);
    });
  });
});

describe("an app of the core API", () => {
  it.each<[how: string, listener: OnStream, status: number, code: string, options?: GuardOptions]>([
    [
      "throws",
      () => {
        throw new Error("x");
      },
      500,
      "HANDLER_ERROR",
    ],
    ["rejects", () => Promise.reject(new Error("x")), 500, "HANDLER_ERROR"],
    ["never answers", () => {}, 503, "MC-10", { firstByteDeadlineMs: 40 }],
    ["ends without a header section", (stream) => stream.end(), 503, "MC-10", { firstByteDeadlineMs: 40 }],
    ["destroys the stream", (stream) => stream.destroy(), 500, "MC-2"],
    ["destroys it with an error that nobody listens for", (stream) => stream.destroy(new Error("x")), 500, "MC-2"],
    ["closes the stream", (stream) => stream.close(http2.constants.NGHTTP2_CANCEL), 500, "MC-2"],
    [
      "sends less than its length",
      (stream) => {
        stream.respond({ "content-length": 9 });
        stream.end("abc");
      },
      500,
      "MC-5",
    ],
    [
      "sends more than its length",
      (stream) => {
        stream.respond({ "content-length": 2 });
        stream.end("abc");
      },
      500,
      "MC-7",
    ],
    [
      "announces content and sends none",
      (stream) => stream.respond({ "content-length": 2 }, { endStream: true }),
      500,
      "MC-5",
    ],
    ["asks for a file that is not there", (stream) => stream.respondWithFile("/not/there"), 500, "MC-2"],
    ["asks for a directory", (stream) => stream.respondWithFile(tmpdir()), 500, "MC-2"],
  ])("is answered for where it %s", async (_how, listener, status, code, options = {}) => {
    const { client, incidents, guard } = await start(core(listener), options);
    for (let n = 0; n < 2; n++) expect(await seen(send(client))).toMatchObject({ status, complete: true });
    expect(incidents.map((incident) => incident.code)).toEqual([code, code]);
    await expect.poll(() => guard?.stats()).toMatchObject({ inFlight: 0, outcomes: { replaced: 2 } });
  });

  it.each<[how: string, listener: OnStream]>([
    [
      "respond() and end()",
      (stream) => {
        stream.respond();
        stream.end("content");
      },
    ],
    [
      "write() alone",
      (stream) => {
        stream.write("con");
        stream.end("tent");
      },
    ],
    ["end() alone", (stream) => stream.end("content")],
    [
      "corked pieces",
      (stream) => {
        stream.respond();
        stream.cork();
        stream.write("con");
        stream.write("tent");
        stream.end();
      },
    ],
    [
      "pieces over time",
      (stream) => {
        stream.write("con");
        setTimeout(() => stream.end("tent"), 40);
      },
    ],
    [
      "trailers",
      (stream) => {
        stream.respond({}, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "7" }));
        stream.end("content");
      },
    ],
  ])("answers by %s, as it would without the guard", async (_how, listener) => {
    for (const options of [undefined, {}, { mode: "report" } as const]) {
      const { client, incidents, guard } = await start(core(listener), options);
      const stream = send(client);
      const chunks: Buffer[] = [];
      stream.on("data", (chunk) => chunks.push(chunk));
      expect(await seen(stream)).toMatchObject({ status: 200, octets: 7, complete: true });
      expect(Buffer.concat(chunks).toString()).toBe("content");
      expect(incidents).toEqual([]);
      if (guard !== undefined) await expect.poll(() => guard.stats().outcomes.intact).toBe(1);
    }
  });

  it.each<[how: string, listener: OnStream]>([
    ["close()", (stream) => stream.close()],
    ["close(CANCEL)", (stream) => stream.close(http2.constants.NGHTTP2_CANCEL)],
    ["close(INTERNAL_ERROR)", (stream) => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)],
    ["destroy()", (stream) => stream.destroy()],
    ["destroy(error)", (stream) => stream.destroy(new Error("x"))],
  ])("has a whole answer without content arrive in front of %s in the same turn", async (_how, end) => {
    const answers: OnStream = (stream, headers) => {
      stream.on("error", () => {});
      if (headers[":path"] === "/204") stream.respond({ ":status": 204 });
      else stream.respond({ ":status": 404 }, { endStream: true });
      end(stream, headers);
    };
    const { client } = await start(core(answers), {});
    expect(await seen(send(client, undefined, { ":path": "/204" }))).toMatchObject({ status: 204, complete: true });
    expect(await seen(send(client))).toMatchObject({ status: 404, complete: true });
  });

  it.each<[how: string, end: (stream: ServerHttp2Stream) => unknown]>([
    ["end(content)", (stream) => stream.end("x".repeat(40_000))],
    ["write(content), then end()", (stream) => stream.write("x".repeat(40_000), () => stream.end())],
    [
      "write(content) and end()",
      (stream) => {
        stream.write("x".repeat(40_000));
        stream.end();
      },
    ],
  ])("gets content that was held out to its end behind a full window, and finishes then: %s", async (_how, end) => {
    for (const options of [undefined, {}, { mode: "report" } as const]) {
      let left = -1;
      const { client } = await start(
        core((stream) => {
          stream.respond({ ":status": 200 });
          stream.once("finish", () => {
            left = stream.writableLength;
          });
          stream.write("x".repeat(40_000));
          setImmediate(() => setImmediate(end, stream));
        }),
        options,
      );
      expect(await seen(send(client))).toMatchObject({ octets: 80_000, complete: true });
      expect(left).toBe(0);
    }
  });

  it("may have a request listener beside it", async () => {
    const told: string[] = [];
    const { client, guard } = await start((server) => {
      server.on("stream", () => told.push("stream"));
      server.on("request", (request, response) => {
        told.push("request");
        expect((request as { rayguard?: object }).rayguard).toBe((request.stream as { rayguard?: object }).rayguard);
        response.end("ok");
      });
    }, {});
    expect(await seen(send(client))).toMatchObject({ status: 200, octets: 2, complete: true });
    expect(told).toEqual(["stream", "request"]);
    await expect.poll(() => guard?.stats().requests).toBe(1);
  });

  it("gets what the guard knows of the request", async () => {
    let context: { ray: unknown; signal: AbortSignal } | undefined;
    const { client } = await start(
      core((stream) => {
        context = (stream as never as { rayguard: typeof context }).rayguard;
        void context?.signal;
      }),
      {},
    );
    const stream = send(client, undefined, { "cf-ray": "0123456789abcdef-FRA" });
    await expect.poll(() => context?.ray).toEqual({ id: "0123456789abcdef", colo: "FRA" });
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await expect.poll(() => context?.signal.aborted).toBe(true);
  });

  it("has its health check, and its refusals, answered by the guard", async () => {
    const reached: string[] = [];
    const listener: OnStream = (stream, headers) => {
      reached.push(String(headers[":path"]));
      stream.respond();
      stream.end();
    };
    const { client } = await start(core(listener), { trust: "cloudflare", direct: "reject" });
    const health = await seen(send(client, undefined, { ":path": "/health" }));
    expect(health).toMatchObject({ status: 200, complete: true });
    expect(await seen(send(client))).toMatchObject({ status: 403, complete: true });
    expect(reached).toEqual([]);
  });

  it("survives a client that breaks a stream off whose errors nobody listens for", async () => {
    const { client, guard } = await start(
      core((stream) => stream.respond()),
      {},
    );
    const stream = send(client);
    await once(stream, "response");
    stream.close(http2.constants.NGHTTP2_PROTOCOL_ERROR);
    await expect.poll(() => guard?.stats().outcomes["client gone"]).toBe(1);
  });
});

describe("a file over HTTP/2", () => {
  let directory: string;
  let file: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "rayguard-http2-"));
    file = join(directory, "file");
    writeFileSync(file, Buffer.alloc(3_000_000, "x"));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it.each<[how: string, listener: (stream: ServerHttp2Stream) => unknown, octets: number, status?: number]>([
    ["respondWithFile()", (stream) => stream.respondWithFile(file), 3_000_000],
    ["a part of it", (stream) => stream.respondWithFile(file, {}, { offset: 10, length: 90 }), 90],
    [
      "a statCheck that adds fields",
      (stream) =>
        stream.respondWithFile(
          file,
          {},
          {
            statCheck: (_, headers) => {
              headers["x-mine"] = "1";
            },
          },
        ),
      3_000_000,
    ],
    [
      "a statCheck that answers in another way",
      (stream) =>
        stream.respondWithFile(file, {}, {
          statCheck() {
            stream.respond({ ":status": 304 });
            return false;
          },
        } as never),
      0,
      304,
    ],
    [
      "an onError that answers",
      (stream) =>
        stream.respondWithFile(
          "/not/there",
          {},
          {
            onError() {
              stream.respond({ ":status": 404 }, { endStream: true });
            },
          },
        ),
      0,
      404,
    ],
    [
      "respondWithFD()",
      (stream) => {
        const fd = openSync(file, "r");
        stream.on("close", () => closeSync(fd));
        stream.respondWithFD(fd, { "content-length": 3_000_000 });
      },
      3_000_000,
    ],
    [
      "trailers behind it",
      (stream) => {
        stream.respondWithFile(file, {}, { waitForTrailers: true });
        stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "1" }));
      },
      3_000_000,
    ],
  ])("goes out by %s", async (_how, listener, octets, status = 200) => {
    const { client, incidents, guard } = await start(core(listener), {});
    expect(await seen(send(client))).toMatchObject({ status, octets, complete: true });
    expect(incidents).toEqual([]);
    await expect.poll(() => guard?.stats().outcomes.intact).toBe(1);
  });

  it("is broken off visibly where the app gives up on it", async () => {
    let sender: ServerHttp2Stream | undefined;
    const { client, guard } = await start(
      core((stream) => {
        sender = stream;
        stream.respondWithFile(file);
      }),
      {},
    );
    const stream = send(client);
    await once(stream, "response");
    stream.pause();
    sender?.destroy();
    await new Promise((resolve) => stream.on("close", resolve));
    expect(stream.rstCode).toBe(http2.constants.NGHTTP2_INTERNAL_ERROR);
    await expect.poll(() => guard?.stats().outcomes["torn down"]).toBe(1);
  });

  it("may take longer than the idle deadline, as long as it is taken", async () => {
    const { client, guard } = await start(
      core((stream) => stream.respondWithFile(file)),
      { idleDeadlineMs: 120 },
    );
    const stream = send(client);
    // Taken bit by bit: what is read opens the window for the next octets.
    let octets = 0;
    for await (const chunk of stream) {
      octets += (chunk as Buffer).length;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(octets).toBe(3_000_000);
    await expect.poll(() => guard?.stats().outcomes.intact).toBe(1);
  });
});

describe("a stream that carries another protocol", () => {
  it("passes both ways, and is quiet for as long as it likes", async () => {
    const { client, server, incidents, guard } = await start(
      core((stream, headers) => {
        expect(headers[":protocol"]).toBe("websocket");
        stream.respond({ ":status": 200 });
        stream.on("data", (chunk) => stream.write(`echo ${chunk}`));
        stream.on("end", () => stream.destroy());
      }),
      { idleDeadlineMs: 40, firstByteDeadlineMs: 200 },
    );
    server.updateSettings({ enableConnectProtocol: true });
    const stream = client.request({
      ":method": "CONNECT",
      ":protocol": "websocket",
      ":path": "/",
      ":scheme": "http",
      ":authority": "x",
    });
    await once(stream, "response");
    for (const word of ["a", "b"]) {
      stream.write(word);
      expect(String((await once(stream, "data"))[0])).toBe(`echo ${word}`);
      await new Promise((resolve) => setTimeout(resolve, 120));
    }
    stream.end();
    await new Promise((resolve) => stream.on("close", resolve));
    expect(incidents).toEqual([]);
    await expect.poll(() => guard?.stats().inFlight).toBe(0);
  });
});

describe("a pushed stream", () => {
  it("is left alone", async () => {
    const { client, guard } = await start(
      core((stream) => {
        stream.pushStream({ ":path": "/pushed" }, (error, pushed) => {
          expect(error).toBeNull();
          pushed.respond({ ":status": 200 });
          pushed.end("pushed");
          stream.respond();
          stream.end("asked");
        });
      }),
      {},
    );
    const pushed = once(client, "stream").then(async ([stream]) => seen(stream));
    expect(await seen(send(client))).toMatchObject({ status: 200, octets: 5, complete: true });
    expect(await pushed).toMatchObject({ octets: 6 });
    await expect.poll(() => guard?.stats().requests).toBe(1);
  });
});

describe("what the app sees of its stream while content is held", () => {
  type Look = (stream: ServerHttp2Stream) => Promise<unknown[]>;
  const look = ({
    writableLength,
    writableNeedDrain,
    headersSent,
    writableEnded,
    writableFinished,
    sentHeaders,
  }: ServerHttp2Stream) => ({
    writableLength,
    writableNeedDrain,
    headersSent,
    writableEnded,
    writableFinished,
    sentHeaders: sentHeaders && Object.entries({ ...sentHeaders, date: typeof sentHeaders.date }).sort(),
  });
  const refusal = (act: () => unknown) => {
    try {
      return act();
    } catch (error) {
      return (error as NodeJS.ErrnoException).code;
    }
  };
  it.each<[what: string, Look]>([
    [
      "before and after respond()",
      async (stream) => {
        const before = look(stream);
        stream.respond({ ":status": 201, "X-Mine": "1" } as never);
        const after = look(stream);
        stream.end();
        return [before, after];
      },
    ],
    [
      "a small write",
      async (stream) => {
        stream.respond();
        const result = stream.write("x".repeat(1_000));
        const seen = look(stream);
        await new Promise((resolve) => stream.write("y", resolve));
        const later = look(stream);
        stream.end();
        return [result, seen, later];
      },
    ],
    [
      "a full buffer, and room again",
      async (stream) => {
        stream.respond();
        const result = stream.write(Buffer.alloc(70_000));
        const seen = look(stream);
        await once(stream, "drain");
        const later = look(stream);
        const again = stream.write(Buffer.alloc(10));
        stream.end();
        return [result, seen, later, again];
      },
    ],
    [
      "a buffer that is full before the content is let go",
      async (stream) => {
        stream.respond();
        const size = stream.writableHighWaterMark;
        const result = stream.write(Buffer.alloc(size));
        const seen = look(stream);
        await once(stream, "drain");
        stream.end();
        return [size, result, seen, look(stream)];
      },
    ],
    [
      "end()",
      async (stream) => {
        stream.respond();
        stream.end("x");
        const seen = look(stream);
        await once(stream, "finish");
        return [seen, look(stream)];
      },
    ],
    [
      "what Node refuses",
      async (stream) => {
        const codes = [
          refusal(() => stream.respond({ ":status": 600 })),
          refusal(() => stream.respond({ ":status": 101 })),
          refusal(() => stream.respond({ ":path": "/" })),
          refusal(() => stream.respond({ connection: "close" })),
          refusal(() => stream.respond({ "content-type": ["a", "b"] } as never)),
          refusal(() => stream.respond({ "a b": "c" })),
          refusal(() => stream.respond(null as never)),
          refusal(() => stream.respond({}, null as never)),
          refusal(() => stream.respond({ [http2.sensitiveHeaders]: "x" } as never)),
          refusal(() => stream.additionalHeaders({ ":status": 200 })),
          refusal(() => stream.additionalHeaders({ ":status": 101 })),
          refusal(() => stream.sendTrailers({})),
          refusal(() => stream.write(5 as never)),
          refusal(() => stream.write("x", "no encoding" as never)),
          refusal(() => stream.end(5 as never)),
          refusal(() => stream.close(1.5)),
          refusal(() => stream.respondWithFD("x" as never)),
          refusal(() => stream.respondWithFile("x", {}, { offset: "1" as never })),
        ];
        const unanswered = stream.headersSent;
        stream.respond({}, { waitForTrailers: true });
        codes.push(
          refusal(() => stream.respond()),
          refusal(() => stream.respondWithFile("x")),
          refusal(() => stream.additionalHeaders({ ":status": 103 })),
        );
        stream.on("wantTrailers", () => {
          codes.push(
            refusal(() => stream.sendTrailers({ ":status": 1 })),
            refusal(() => stream.sendTrailers({ a: "1" })),
          );
          codes.push(refusal(() => stream.sendTrailers({ a: "1" })));
        });
        stream.end();
        await once(stream, "finish");
        await new Promise((resolve) => stream.once("close", resolve));
        return [codes, unanswered];
      },
    ],
  ])("is what Node shows: %s", async (_what, act) => {
    const results: unknown[] = [];
    for (const options of [undefined, {}]) {
      let result: Promise<unknown> | undefined;
      const { client } = await start(
        core((stream) => {
          stream.on("error", () => {});
          result = act(stream);
        }),
        options,
      );
      await seen(send(client));
      results.push(await result);
    }
    expect(results[1]).toEqual(results[0]);
  });
});
