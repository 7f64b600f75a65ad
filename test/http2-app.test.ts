import http2, {
  type ClientHttp2Session,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import { finished } from "node:stream/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { GuardOptions } from "../src/index.js";
import { seen, send, start, stopAll } from "./helpers/http2.js";

afterEach(stopAll);

describe("an upload over HTTP/2 whose client goes away", () => {
  /** Tells how a reader of the request came to its end, and what was emitted meanwhile. */
  type Read = (request: Http2ServerRequest) => Promise<unknown>;
  const readers: Record<string, Read> = {
    "for await": async (request) => {
      let octets = 0;
      for await (const chunk of request) octets += (chunk as Buffer).length;
      return octets;
    },
    finished: (request) => finished(request.resume() as never),
    nobody: () => new Promise(() => {}),
  };
  const leaves: Record<string, (stream: http2.ClientHttp2Stream, client: ClientHttp2Session, socket: Socket) => void> =
    {
      "cancels the stream": (stream) => stream.close(http2.constants.NGHTTP2_CANCEL),
      "destroys the stream": (stream) => stream.destroy(new Error("x")),
      "destroys the session": (_, client) => client.destroy(),
      "breaks the session off": (_, client) => client.destroy(new Error("x"), http2.constants.NGHTTP2_INTERNAL_ERROR),
      "ends the connection": (_stream, _client, socket) => socket.end(),
      "resets the connection": (_stream, _client, socket) => socket.resetAndDestroy(),
    };

  async function told(read: Read, leave: (typeof leaves)[string], options?: GuardOptions) {
    const log: string[] = [];
    let done = () => {};
    const closed = new Promise<void>((resolve) => {
      done = resolve;
    });
    let take = () => {};
    const taken = new Promise<void>((resolve) => {
      take = resolve;
    });
    const { client, clientSocket, guard, incidents } = await start((server) => {
      server.on("request", (request: Http2ServerRequest, response: Http2ServerResponse) => {
        for (const event of ["aborted", "error", "end", "close"]) request.on(event, () => log.push(`request ${event}`));
        for (const event of ["error", "finish", "close"]) response.on(event, () => log.push(`response ${event}`));
        response.on("close", () => setImmediate(done));
        setTimeout(take, 20);
        read(request).then(
          (value) => log.push(`read ${value}`),
          (error) => log.push(`failed ${error.code}`),
        );
      });
    }, options);
    const stream = send(client, 1_000, { "content-length": "100000" });
    await taken;
    leave(stream, client, clientSocket);
    await closed;
    await new Promise((resolve) => setImmediate(resolve));
    return { log, guard, incidents };
  }

  it.each(Object.keys(readers).flatMap((reader) => Object.keys(leaves).map((how) => [reader, how] as const)))(
    "tells %s what Node would where it %s",
    async (reader, how) => {
      const bare = await told(readers[reader] as Read, leaves[how] as (typeof leaves)[string]);
      const limit = Error.stackTraceLimit;
      for (const traced of [limit, 0]) {
        Error.stackTraceLimit = traced;
        const { log, guard, incidents } = await told(
          readers[reader] as Read,
          leaves[how] as (typeof leaves)[string],
          {},
        );
        Error.stackTraceLimit = limit;
        expect(log).toEqual(bare.log);
        expect(incidents).toEqual([]);
        await expect.poll(() => guard?.stats().outcomes["client gone"]).toBe(1);
      }
      expect(bare.log).toContain("request aborted");
    },
  );
});

describe("an upload over HTTP/2 that is answered before its end", () => {
  type Act = (request: Http2ServerRequest, response: Http2ServerResponse) => void;
  const acts: Record<string, Act> = {
    "the app throws": () => {
      throw new Error("x");
    },
    "the app waits for too long": () => {},
    "the app destroys the response": (_, response) => response.destroy(),
    "the app closes the stream": (_, response) => response.stream.close(),
  };
  it.each(Object.keys(acts))("does not look complete where %s", async (how) => {
    let outcome: unknown;
    const log: string[] = [];
    const { client } = await start(
      (server) => {
        server.on("request", async (request: Http2ServerRequest, response: Http2ServerResponse) => {
          for (const event of ["aborted", "close"]) request.on(event, () => log.push(event));
          outcome = finished(request.resume() as never).then(
            () => "complete",
            (error) => error.code,
          );
          (acts[how] as Act)(request, response);
        });
      },
      { firstByteDeadlineMs: 60 },
    );
    const { status, complete } = await seen(send(client, 1_000, { "content-length": "100000" }));
    expect({ status, complete }).toEqual({ status: how.includes("too long") ? 503 : 500, complete: true });
    expect(await outcome).toBe("ERR_STREAM_PREMATURE_CLOSE");
    await expect.poll(() => log).toEqual(["aborted", "close"]);
  });
});

describe("an app that ends the session of HTTP/2", () => {
  type End = (stream: ServerHttp2Stream, socket: Socket) => void;
  const ends: Record<string, End> = {
    "session.destroy()": (stream) => stream.session?.destroy(),
    "session.destroy(error)": (stream) => stream.session?.destroy(new Error("x")),
    "session.destroy(code)": (stream) => stream.session?.destroy(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM as never),
    "socket.destroy()": (_, socket) => socket.destroy(),
    "socket.destroy(error)": (_, socket) => {
      socket.on("error", () => {});
      socket.destroy(new Error("x"));
    },
  };
  it.each(Object.keys(ends))("gets every request answered, then the end: %s", async (how) => {
    const streams: ServerHttp2Stream[] = [];
    const { client, socket, incidents, guard, server } = await start((server) => {
      server.on("stream", (stream) => {
        stream.on("error", () => {});
        streams.push(stream);
      });
    }, {});
    const ended = new Promise((resolve) => server.once("session", (session) => session.once("close", resolve)));
    const all = [send(client), send(client), send(client, 10)].map(seen);
    await expect.poll(() => streams.length).toBe(3);
    (ends[how] as End)(streams[0] as ServerHttp2Stream, await socket);
    // What the code asks for is in the status.
    const status = how === "session.destroy(code)" ? 503 : 500;
    for (const answer of await Promise.all(all)) expect(answer).toMatchObject({ status, complete: true });
    await ended;
    expect(incidents.map(({ code }) => code)).toEqual(["MC-2", "MC-2", "MC-2"]);
    await expect.poll(() => guard?.stats()).toMatchObject({ inFlight: 0, outcomes: { replaced: 3 } });
  });

  it("breaks off what is under way so that nobody takes it for complete", async () => {
    const { client, guard } = await start((server) => {
      server.on("stream", (stream) => {
        stream.respond({ ":status": 200, "content-type": "text/event-stream" });
        stream.write("abc", () => stream.session?.destroy());
      });
    }, {});
    const { status, complete, code } = await seen(send(client));
    expect({ status, complete }).toEqual({ status: 200, complete: false });
    expect(code).not.toBe(0);
    await expect.poll(() => guard?.stats().outcomes["torn down"]).toBe(1);
  });

  it("lets a whole response arrive", async () => {
    const { client } = await start((server) => {
      server.on("stream", (stream) => {
        stream.respond({ ":status": 200 });
        stream.end(Buffer.alloc(300_000));
        stream.session?.destroy();
      });
    }, {});
    expect(await seen(send(client))).toMatchObject({ status: 200, octets: 300_000, complete: true });
  });

  it("gets the answers of its own where it only closes it", async () => {
    const { client } = await start((server) => {
      server.on("stream", (stream) => {
        stream.session?.close();
        setTimeout(() => {
          stream.respond({ ":status": 200 });
          stream.end("late");
        }, 20);
      });
    }, {});
    expect(await seen(send(client))).toMatchObject({ status: 200, octets: 4, complete: true });
  });
});

describe("the first-byte deadline over HTTP/2", () => {
  /** How often the deadline went by until the answer came. */
  async function deadlines(octets: number | undefined, drip: boolean): Promise<number> {
    const firstByteDeadlineMs = 300;
    const { client } = await start((server) => server.on("request", () => {}), { firstByteDeadlineMs });
    const startedAt = performance.now();
    const stream = send(client, octets);
    const timer = setInterval(() => drip && stream.write("x"), 50);
    if (drip) setTimeout(() => clearInterval(timer), 900);
    expect((await seen(stream)).status).toBe(503);
    clearInterval(timer);
    return (performance.now() - startedAt) / firstByteDeadlineMs;
  }

  it.each([
    ["a GET", undefined],
    ["an upload without an octet", 0],
  ] as const)("holds once for %s", async (_what, octets) => {
    expect(await deadlines(octets, false)).toBeLessThan(1.7);
  });

  it("is extended by an upload that drips", async () => {
    expect(await deadlines(1, true)).toBeGreaterThan(2);
  });
});
