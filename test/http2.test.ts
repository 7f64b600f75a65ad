import { once } from "node:events";
import http2, { type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";
import { createGuard, type GuardOptions, type Incident } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { selfSigned } from "./testing/certificate.js";

type Listener = (request: Http2ServerRequest, response: Http2ServerResponse) => unknown;

/** What a client saw of one stream. */
interface Seen {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly content: string;
  readonly trailers: Record<string, unknown> | undefined;
  readonly interim: number[];
  /** Error code of the RST_STREAM; 0 for a stream that ended well. */
  readonly code: number;
}

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function serve(listener: Listener, options: GuardOptions = {}) {
  const incidents: Incident[] = [];
  const note = (record: object) => incidents.push(record as Incident);
  const guard = createGuard({ trust: "loopback", logger: { info() {}, warn: note, error: note }, ...options });
  const server = http2.createServer(listener as never);
  guard.attach(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  client.on("error", () => {});
  closing.push(async () => {
    client.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { guard, incidents, client, ask: (headers = {}, content?: string) => ask(client, headers, content) };
}

async function ask(
  client: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  content?: string,
): Promise<Seen> {
  const stream = client.request(
    { ":path": "/", ":method": content === undefined ? "GET" : "POST", ...headers },
    { endStream: content === undefined },
  );
  const seen = {
    status: 0,
    headers: {} as Record<string, unknown>,
    trailers: undefined as Record<string, unknown> | undefined,
    interim: [] as number[],
  };
  const chunks: Buffer[] = [];
  stream.on("headers", (interim) => seen.interim.push(Number(interim[":status"])));
  stream.on("response", (fields) => {
    seen.status = Number(fields[":status"]);
    seen.headers = { ...fields };
  });
  stream.on("trailers", (trailers) => {
    seen.trailers = { ...trailers };
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("error", () => {});
  if (content !== undefined) stream.end(content);
  // Not once(): that rejects when the stream is reset.
  await new Promise((resolve) => stream.on("close", resolve));
  return { ...seen, content: Buffer.concat(chunks).toString(), code: stream.rstCode };
}

describe("a valid response over HTTP/2", () => {
  it.each<[how: string, listener: Listener]>([
    ["end()", (_, r) => r.end("content")],
    ["writeHead()", (_, r) => r.writeHead(200, { "X-Mine": "1" }).end("content")],
    [
      "write() and end()",
      (_, r) => {
        r.write("con");
        r.end("tent");
      },
    ],
    [
      "a length",
      (_, r) => {
        r.setHeader("content-length", 7);
        r.end("content");
      },
    ],
    [
      "the stream itself",
      (_, r) => {
        r.stream.respond({ ":status": 200 });
        r.stream.end("content");
      },
    ],
    [
      "pieces over time",
      (_, r) => {
        r.write("con");
        setTimeout(() => r.end("tent"), 40);
      },
    ],
    [
      "no hold-back",
      (_, r) => {
        r.write("con");
        r.end("tent");
      },
    ],
  ])("is intact through %s", async (how, listener) => {
    const { ask, guard, incidents } = await serve(listener, how === "no hold-back" ? { holdBackOctets: 0 } : {});
    for (let n = 0; n < 2; n++) {
      const { status, content, code, headers } = await ask();
      expect({ status, content, code }).toEqual({ status: 200, content: "content", code: 0 });
      expect(headers.date).toBeDefined();
    }
    expect(incidents).toEqual([]);
    await expect.poll(() => guard.stats().outcomes.intact).toBe(2);
  });

  it("is intact when it is large", async () => {
    const { ask } = await serve((_, r) => r.end(Buffer.alloc(2_000_000, "x")));
    const { content, code } = await ask();
    expect([content.length, code]).toEqual([2_000_000, 0]);
  });

  it("keeps its trailers", async () => {
    const { ask } = await serve((_, r) => {
      r.addTrailers({ "x-sum": "6" });
      r.write("content");
      r.end();
    });
    expect(await ask()).toMatchObject({ content: "content", trailers: { "x-sum": "6" }, code: 0 });
  });

  it.each(["/", "/length"])("has no content after HEAD: %s", async (path) => {
    const { ask, incidents } = await serve((q, r) => {
      if (q.url === "/length") r.setHeader("content-length", 7);
      r.end("content");
    });
    expect(await ask({ ":method": "HEAD", ":path": path })).toMatchObject({ status: 200, content: "", code: 0 });
    expect(incidents).toEqual([]);
  });

  it("may have interim responses in front", async () => {
    const { ask } = await serve((_, r) => {
      r.writeEarlyHints({ link: "</a>; rel=preload" });
      r.end("ok");
    });
    expect(await ask()).toMatchObject({ status: 200, interim: [103], content: "ok" });
  });

  it("may come after 100 (Continue)", async () => {
    const { ask } = await serve((q, r) => {
      q.resume();
      q.on("end", () => r.end("ok"));
    });
    expect(await ask({ expect: "100-continue" }, "content")).toMatchObject({ status: 200, content: "ok" });
  });

  it("may be pushed beside another one, untouched", async () => {
    const { client } = await serve((_, r) => {
      r.createPushResponse({ ":path": "/pushed" }, (error, pushed) => {
        if (error) r.end(String(error));
        else {
          pushed.end("pushed");
          r.end("asked");
        }
      });
    });
    const pushed = new Promise<string>((resolve) => {
      client.on("stream", (stream) => {
        let content = "";
        stream.on("data", (chunk) => {
          content += String(chunk);
        });
        stream.on("end", () => resolve(content));
      });
    });
    expect((await ask(client, {})).content).toBe("asked");
    expect(await pushed).toBe("pushed");
  });
});

describe("a response over HTTP/2 that fails before anything is out", () => {
  interface Case {
    readonly how: string;
    readonly listener: Listener;
    readonly status?: number;
    readonly code: string;
    readonly options?: GuardOptions;
  }
  it.each<Case>([
    {
      how: "throws",
      listener: () => {
        throw new Error("x");
      },
      code: "HANDLER_ERROR",
    },
    {
      how: "rejects",
      listener: async () => {
        throw new Error("x");
      },
      code: "HANDLER_ERROR",
    },
    {
      how: "throws 503",
      listener: () => {
        throw Object.assign(new Error("x"), { status: 503 });
      },
      status: 503,
      code: "HANDLER_ERROR",
    },
    {
      how: "writes and throws",
      listener: (_, r) => {
        r.write("a");
        throw new Error("x");
      },
      code: "HANDLER_ERROR",
    },
    {
      how: "decides its fields and throws",
      listener: (_, r) => {
        r.writeHead(200, { etag: '"x"' });
        throw new Error("x");
      },
      code: "HANDLER_ERROR",
    },
    { how: "destroys the response", listener: (_, r) => r.destroy(), code: "MC-2" },
    { how: "destroys the stream", listener: (_, r) => r.stream.destroy(), code: "MC-2" },
    {
      how: "destroys the stream with an error",
      listener: (_, r) => {
        r.stream.on("error", () => {});
        r.stream.destroy(new Error("x"));
      },
      code: "MC-2",
    },
    { how: "closes the stream", listener: (_, r) => r.stream.close(), code: "MC-2" },
    // Node forgets such a stream without a word to the client.
    {
      how: "destroys the request",
      listener: (q) => q.destroy(),
      status: 503,
      code: "MC-10",
      options: { firstByteDeadlineMs: 40 },
    },
    { how: "never answers", listener: () => {}, status: 503, code: "MC-10", options: { firstByteDeadlineMs: 40 } },
    {
      how: "decides its fields and hangs",
      listener: (_, r) => {
        r.cork?.();
      },
      status: 503,
      code: "MC-10",
      options: { firstByteDeadlineMs: 40 },
    },
    {
      how: "sends less than its length",
      listener: (_, r) => {
        r.writeHead(200, { "content-length": 9 });
        r.end("abc");
      },
      code: "MC-5",
    },
    {
      how: "sends more than its length",
      listener: (_, r) => {
        r.writeHead(200, { "content-length": 2 });
        r.end("abc");
      },
      code: "MC-7",
    },
    {
      how: "answers 101",
      listener: (_, r) => {
        r.stream.respond({ ":status": 101 });
        r.end();
      },
      code: "HANDLER_ERROR",
    },
    {
      how: "answers 600",
      listener: (_, r) => {
        r.stream.respond({ ":status": 600 });
        r.stream.end();
      },
      code: "HANDLER_ERROR",
    },
    {
      how: "has too many fields",
      listener: (_, r) => {
        for (let n = 0; n < 300; n++) r.setHeader(`x-${n}`, "1");
        r.end();
      },
      code: "HF-20",
    },
    {
      how: "has too large fields",
      listener: (_, r) => {
        r.setHeader("x-big", "x".repeat(2_000));
        r.end();
      },
      code: "HF-18",
      options: { maxHeaderSectionOctets: 1_024 },
    },
  ])("is replaced where the app $how", async ({ listener, status = 500, code, options }) => {
    const { ask, incidents } = await serve(listener, options);
    for (let n = 0; n < 2; n++) {
      const seen = await ask({ "cf-ray": "0123456789abcdef-FRA" });
      expect({ status: seen.status, code: seen.code }).toEqual({ status, code: 0 });
      expect(seen.content).toContain("0123456789abcdef");
      expect(seen.headers).toMatchObject({
        "cache-control": "no-store",
        "content-length": String(seen.content.length),
      });
      expect(seen.headers).not.toHaveProperty("etag");
    }
    if (code !== "HANDLER_ERROR" || status !== 500)
      expect(incidents.map((incident) => incident.code)).toEqual([code, code]);
  });

  it("is complete after an upload nobody read", async () => {
    const { ask } = await serve(() => {
      throw new Error("x");
    });
    expect(await ask({}, "x".repeat(200_000))).toMatchObject({ status: 500 });
  });

  it("has no content after HEAD", async () => {
    const { ask } = await serve(() => {
      throw new Error("x");
    });
    expect(await ask({ ":method": "HEAD" })).toMatchObject({ status: 500, content: "", code: 0 });
  });
});

it("keeps in a fallback over HTTP/2 which scripts may read it, whatever stands beside", async () => {
  const { ask } = await serve((_, r) => {
    r.setHeader("Access-Control-Allow-Origin", "https://mine.example");
    r.setHeader("ETag", '"1"');
    r.setHeader("Vary", {
      toString() {
        throw new Error("not to be asked");
      },
    } as never);
    r.stream.destroy();
  });
  const { status, headers, code } = await ask();
  expect({ status, code }).toEqual({ status: 500, code: 0 });
  expect(headers).toMatchObject({ "access-control-allow-origin": "https://mine.example" });
  expect(Object.keys(headers)).not.toContain("etag");
  expect(Object.keys(headers)).not.toContain("vary");
});

it.each(["destroySoon", "resetAndDestroy"] as const)("answers over HTTP/2 in front of socket.%s()", async (name) => {
  for (const content of [undefined, "x".repeat(1_000_000)]) {
    const { ask } = await serve((_, r) => {
      // What the compatibility API shows of the socket binds what it does not refuse.
      const { socket } = r;
      if (content !== undefined) r.end(content);
      socket[name]();
    });
    const seen = await ask();
    expect([seen.status, seen.code, seen.content.length]).toEqual(
      content === undefined ? [500, 0, expect.any(Number)] : [200, 0, content.length],
    );
  }
});

describe("a status with rules of its own over HTTP/2", () => {
  it.each([
    [502, 500],
    [504, 503],
  ])("%d goes out as %d", async (given, status) => {
    const { ask, incidents } = await serve((_, r) => {
      r.writeHead(given);
      r.end("mine");
    });
    expect(await ask()).toMatchObject({ status, content: "mine", code: 0 });
    expect(incidents.map(({ code }) => code)).toEqual(["GATEWAY_STATUS"]);
  });

  it.each([204, 205, 304])("%d has no content", async (status) => {
    const { ask } = await serve((_, r) => {
      r.writeHead(status);
      r.end("content");
    });
    expect(await ask()).toMatchObject({ status, content: "", code: 0 });
  });
});

describe("a response over HTTP/2 that fails when part of it is out", () => {
  it.each<[how: string, listener: Listener, options?: GuardOptions]>([
    [
      "is destroyed",
      (_, r) => {
        r.write("abc", () => r.stream.destroy());
      },
    ],
    [
      "is closed without an error",
      (_, r) => {
        r.write("abc", () => r.stream.close());
      },
    ],
    [
      "is closed without an error, with content that has not left",
      (_, r) => {
        r.write("x".repeat(300_000));
        r.stream.close();
      },
    ],
    [
      "stalls",
      (_, r) => {
        r.write("abc");
      },
      { idleDeadlineMs: 40 },
    ],
    [
      "ends short of its length",
      (_, r) => {
        r.writeHead(200, { "content-length": 9 });
        r.write("abc", () => r.end());
      },
    ],
    [
      "is ended when its source fails",
      (_, r) => {
        const source = new PassThrough().on("error", () => r.end());
        source.pipe(r);
        source.write("abc");
        setTimeout(() => source.destroy(new Error("x")), 20);
      },
    ],
  ])("is reset with an error where it %s", async (_how, listener, options = {}) => {
    const { ask, guard } = await serve(listener, { holdBackOctets: 0, ...options });
    const { status, code } = await ask();
    expect(status).toBe(200);
    expect(code).toBe(http2.constants.NGHTTP2_INTERNAL_ERROR);
    await expect.poll(() => guard.stats().outcomes["torn down"]).toBe(1);
  });
});

describe("what is done too late over HTTP/2", () => {
  it("harms nothing", async () => {
    const { ask, incidents } = await serve((_, r) => {
      r.end("ok");
      r.end("again");
      r.write("more");
    });
    expect(await ask()).toMatchObject({ status: 200, content: "ok", code: 0 });
    expect(incidents.length).toBeLessThanOrEqual(1);
  });

  it("does not break off an answer whose end is on its way", async () => {
    const { ask, incidents } = await serve((_, r) => {
      const answer = () => {
        r.write("con");
        r.end("tent");
      };
      setImmediate(() => {
        answer();
        setImmediate(answer);
      });
    });
    for (let n = 0; n < 5; n++) expect(await ask()).toMatchObject({ status: 200, content: "content", code: 0 });
    expect(new Set(incidents.map(({ code }) => code))).toEqual(new Set(["LATE_WRITE"]));
  });
});

describe("a client that goes away over HTTP/2", () => {
  it("is no failure", async () => {
    const { client, guard, incidents } = await serve((_, r) => void r.stream);
    const stream = client.request({ ":path": "/" });
    stream.on("error", () => {});
    await expect.poll(() => guard.stats().inFlight).toBe(1);
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await expect.poll(() => guard.stats().requests).toBe(1);
    expect(guard.stats().outcomes).toMatchObject({ intact: 0, "client gone": 1 });
    expect(incidents).toEqual([]);
  });

  it("is told from a response that arrived, in mid-content as well", async () => {
    const { client, guard, incidents } = await serve((_, r) => r.end(Buffer.alloc(5_000_000)));
    const stream = client.request({ ":path": "/" });
    stream.on("error", () => {});
    await once(stream, "response");
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await expect.poll(() => guard.stats().requests).toBe(1);
    expect(guard.stats().outcomes).toMatchObject({ intact: 0, "client gone": 1 });
    expect(incidents).toEqual([]);
  });
});

describe("report mode over HTTP/2", () => {
  it("changes nothing and reports", async () => {
    const { ask, incidents } = await serve(
      (_, r) => {
        r.writeHead(502);
        r.end("mine");
      },
      { mode: "report" },
    );
    expect(await ask()).toMatchObject({ status: 502, content: "mine", code: 0 });
    expect(incidents.map(({ code, action }) => [code, action])).toEqual([["GATEWAY_STATUS", "reported"]]);
  });
});

describe("a server of both protocols", () => {
  it("guards HTTP/1.1 on the same port", async () => {
    const guard = createGuard({ logger: false });
    const server = http2.createSecureServer({ ...selfSigned(), allowHTTP1: true }, (request) => {
      if (request.url === "/destroy") request.socket.destroy();
      else throw new Error("x");
    });
    guard.attach(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const target = { port: (server.address() as AddressInfo).port, tls: true };
    for (const path of ["/throw", "/destroy"]) {
      const { responses, valid } = await exchange(target, { path });
      expect(valid).toBe(true);
      expect(responses.map(({ status }) => status)).toEqual([500]);
    }
    const client = http2.connect(`https://127.0.0.1:${target.port}`, { rejectUnauthorized: false });
    expect(await ask(client, {})).toMatchObject({ status: 500, code: 0 });
    client.close();
    await new Promise((resolve) => server.close(resolve));
  });
});
