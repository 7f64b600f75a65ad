import { once } from "node:events";
import http2, { type Http2ServerResponse, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { createGuard, type GuardOptions } from "../src/index.js";
import { selfSigned } from "./testing/certificate.js";

// What Node can send over HTTP/2 is found out in the session, which drops a larger header section and ends.

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

type App = (stream: ServerHttp2Stream, response: Http2ServerResponse) => void;

interface Options {
  readonly guard?: GuardOptions;
  readonly server?: http2.ServerOptions;
  readonly secure?: boolean;
}

/** What the client and the app see of one stream, and what the guard tells of it. */
async function seen(
  app: App,
  { guard, server: serverOptions, secure }: Options,
  trailers: (fields: object) => void = () => {},
) {
  const told: string[] = [];
  const incidents: { code: string; action: string; prevented: unknown }[] = [];
  const lines: object[] = [];
  const note = (record: object) => {
    if ("action" in record) incidents.push(record as never);
    else if ("outcome" in record) lines.push(record);
  };
  const server = secure
    ? http2.createSecureServer({ ...selfSigned(), ...serverOptions })
    : http2.createServer(serverOptions ?? {});
  if (guard !== undefined) createGuard({ logger: { info: note, warn: note, error: note }, ...guard }).attach(server);
  server.on("request", ({ stream }, response) => {
    stream.on("frameError", () => told.push("frameError"));
    stream.on("error", () => told.push("error"));
    stream.on("close", () => told.push(`close ${stream.rstCode}`));
    app(stream, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = http2.connect(`${secure ? "https" : "http"}://127.0.0.1:${port}`, { rejectUnauthorized: false });
  let isGone = false;
  client.on("goaway", () => {
    isGone = true;
  });
  closing.push(() => {
    client.destroy();
    server.close();
  });
  const stream = client.request();
  let status = 0;
  let interim = 0;
  stream.on("headers", () => interim++);
  stream.on("trailers", trailers);
  stream.on("response", (headers) => {
    status = headers[":status"] as number;
  });
  stream.on("error", () => {});
  stream.resume();
  await new Promise((resolve) => stream.once("close", resolve));
  // What the server has said before the answer to that has arrived by then.
  if (!client.destroyed) await new Promise((resolve) => client.ping(resolve) || resolve(undefined));
  return { status, interim, code: stream.rstCode, isGone, told, incidents, lines };
}

const large = (octets: number) => ({ "x-large": "x".repeat(octets - "x-large".length) });
const many = Object.fromEntries(Array.from({ length: 90 }, (_, n) => [`x-${n}`, "x".repeat(1_000)]));

const WAYS: Record<string, App> = {
  "stream.respond()": (stream) => {
    stream.respond(large(90_000));
    stream.end("ok");
  },
  "stream.respond() that ends the stream": (stream) => stream.respond(large(90_000), { endStream: true }),
  "stream.respond() and pieces": (stream) => {
    stream.respond(large(90_000));
    stream.write("o");
    stream.end("k");
  },
  "response.write()": (_stream, response) => {
    response.setHeader("x-large", "x".repeat(90_000));
    response.write("o");
    response.end("k");
  },
  "many fields": (stream) => {
    stream.respond(many);
    stream.end("ok");
  },
  "response.setHeader()": (_stream, response) => {
    response.setHeader("x-large", "x".repeat(90_000));
    response.end("ok");
  },
  "stream.respondWithFile()": (stream) => stream.respondWithFile(fileURLToPath(import.meta.url), large(90_000)),
};

describe.each([false, true])("a header section larger than Node can send over HTTP/2 (TLS: %s)", (secure) => {
  it.each(Object.entries(WAYS))("by %s: is replaced, and the session goes on", async (_way, app) => {
    const bare = await seen(app, { secure });
    expect(bare).toMatchObject({ status: 0, isGone: true });
    const { status, code, isGone, told, incidents, lines } = await seen(app, { guard: {}, secure });
    expect({ status, code, isGone }).toEqual({ status: 500, code: 0, isGone: false });
    expect(told).not.toContain("frameError");
    expect(incidents).toMatchObject([{ code: "HF-18", action: "replaced", prevented: 520 }]);
    expect(lines).toMatchObject([{ status: 500, outcome: "replaced", incident: "HF-18" }]);
  });

  it("is told in report mode, where all is as without a guard", async () => {
    const app = WAYS["stream.respond()"] as App;
    const bare = await seen(app, { secure });
    const reported = await seen(app, { guard: { mode: "report" }, secure });
    expect(reported).toMatchObject({ status: bare.status, code: bare.code, told: bare.told });
    expect(reported.incidents).toMatchObject([{ code: "HF-18", action: "reported" }]);
  });
});

describe("as much as Node can send", () => {
  // As nghttp2 counts: 12 for each line, 17 for the frame; with ":status200" and a date.
  const MOST = 65_536 - 17 - 12 - (12 + 10) - (12 + 33);
  it.each([
    ["the most", MOST, undefined, 200],
    ["an octet more", MOST + 1, undefined, 500],
    ["the most of a limit of the server's", 20_000 - 65_536 + MOST, 20_000, 200],
    ["an octet more than that", 20_001 - 65_536 + MOST, 20_000, 500],
    ["what a limit of the server's allows beyond Node's", 70_000, 100_000, 200],
  ])("%s goes out unless bare Node drops it", async (_what, octets, maxSendHeaderBlockLength, status) => {
    const app: App = (stream) => {
      stream.respond(large(octets));
      stream.end("ok");
    };
    const server = maxSendHeaderBlockLength === undefined ? {} : { maxSendHeaderBlockLength };
    expect((await seen(app, { server })).status).toBe(status === 200 ? 200 : 0);
    expect((await seen(app, { server, guard: {} })).status).toBe(status);
  });
});

it("an interim response larger than that is left out, and costs the session nothing", async () => {
  const app: App = (stream) => {
    stream.additionalHeaders({ ":status": 103, ...large(90_000) });
    stream.respond();
    stream.end("ok");
  };
  expect(await seen(app, {})).toMatchObject({ status: 200, interim: 0, isGone: true });
  const guarded = await seen(app, { guard: {} });
  expect(guarded).toMatchObject({ status: 200, interim: 0, code: 0, isGone: false });
  expect(guarded.incidents).toMatchObject([{ code: "HF-18", action: "repaired", prevented: null }]);
});

describe("trailers larger than that", () => {
  const TRAILERS: Record<string, App> = {
    "response.addTrailers()": (_stream, response) => {
      response.addTrailers(large(90_000));
      response.end("ok");
    },
    "response.addTrailers(), many": (_stream, response) => {
      response.addTrailers(many);
      response.end("ok");
    },
  };

  it.each(Object.entries(TRAILERS))("are left out, and the session goes on: %s", async (_way, app) => {
    expect(await seen(app, {})).toMatchObject({ status: 200, isGone: true });
    const { lines, incidents, ...guarded } = await seen(app, { guard: {} });
    expect(guarded).toEqual({ status: 200, interim: 0, code: 0, isGone: false, told: ["close 0"] });
    expect(incidents).toMatchObject([{ code: "HF-18", action: "repaired", prevented: null }]);
    expect(lines).toMatchObject([{ status: 200, outcome: "repaired", incident: "HF-18" }]);
  });

  it.each(Object.entries(TRAILERS))(
    "are told in report mode, where all is as without a guard: %s",
    async (_way, app) => {
      const { lines: _lines, incidents: _none, ...bare } = await seen(app, {});
      const { lines, incidents, ...reported } = await seen(app, { guard: { mode: "report" } });
      expect(reported).toEqual(bare);
      expect(incidents).toMatchObject([{ code: "HF-18", action: "reported", prevented: null }]);
      expect(lines).toHaveLength(1);
    },
  );

  it("are what the app finds as sent", async () => {
    const sent = async (options: Options) => {
      const found: unknown[] = [];
      const app: App = (stream, response) => {
        stream.once("close", () => found.push(Object.keys(stream.sentTrailers ?? {})));
        response.addTrailers(large(90_000));
        response.end("ok");
      };
      await seen(app, options);
      return found;
    };
    expect(await sent({ guard: {} })).toEqual(await sent({}));
  });

  it.each([
    ["the most", 20_000 - 17 - 12, undefined, 1],
    ["an octet more", 20_001 - 17 - 12, "HF-18", 0],
  ])("%s, as nghttp2 counts", async (_what, octets, incident, arrives) => {
    const arrived: object[] = [];
    const app: App = (_stream, response) => {
      response.addTrailers(large(octets));
      response.end("ok");
    };
    const options = { guard: {}, server: { maxSendHeaderBlockLength: 20_000 } };
    const { incidents } = await seen(app, options, (trailers) => arrived.push(trailers));
    expect([incidents[0]?.code, arrived.length]).toEqual([incident, arrives]);
  });
});
