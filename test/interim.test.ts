import { once } from "node:events";
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import http2 from "node:http2";
import { type AddressInfo, connect, type Server, type Socket } from "node:net";
import earlyHints from "@fastify/early-hints";
import express from "express";
import fastify from "fastify";
import { afterEach, describe, expect, it } from "vitest";
import { rayguard } from "../adapters/express.js";
import fastifyGuard from "../adapters/fastify.js";
import { createGuard, type GuardOptions } from "../src/index.js";
import { exchange, type Target } from "../src/testing/index.js";
import { Wire } from "./helpers/wire.js";
import { listen } from "./testing/servers.js";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";

function inPieces(octets: string): string[] {
  return octets.split(/(?<=^(?:[\s\S]{7})+)/);
}

type Incident = { code: string; action: string };
type Raw = ServerResponse & {
  _writeRaw(data: string | Uint8Array, encoding?: string | (() => void), callback?: () => void): boolean;
};

const incidents: Incident[] = [];
const apps: { close(): unknown }[] = [];

afterEach(async () => {
  incidents.length = 0;
  for (const app of apps.splice(0)) await app.close();
});

function options(mode: GuardOptions["mode"] = "enforce"): GuardOptions {
  const note = (record: object) => {
    if ("action" in record) incidents.push(record as Incident);
  };
  return { mode, firstByteDeadlineMs: 1_000, logger: { info: note, warn: note, error: note } };
}

async function node(listener: RequestListener, mode?: GuardOptions["mode"]): Promise<Target> {
  const server = createServer(listener);
  createGuard(options(mode)).attach(server);
  return listen(server);
}

const STARTERS: Record<string, (listener: RequestListener) => Promise<Target>> = {
  node: (listener) => node(listener),
  express: (listener) => {
    const app = express();
    app.use(rayguard(options()));
    app.use((request, response) => void listener(request, response));
    return listen(createServer(app));
  },
  fastify: async (listener) => {
    const app = fastify();
    apps.push(app);
    await app.register(fastifyGuard, options());
    app.get("/", (request, reply) => {
      reply.hijack();
      listener(request.raw, reply.raw);
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    return app.server;
  },
};

/** Text of a value that is well the first time it is read, and never again. */
function turning(): string {
  let reads = 0;
  return { toString: () => (reads++ === 0 ? "</b>; rel=preload" : "x\r\nX-Injected: 1") } as unknown as string;
}

describe.each(Object.keys(STARTERS))("%s: Early Hints that would smuggle a field in", (framework) => {
  const link = "</a.css>; rel=preload";
  it.each<[what: string, hints: Record<string, unknown>]>([
    ["a value with CR LF", { link, "x-any": "a\r\nX-Injected: 1" }],
    ["a value with LF", { link, "x-any": "a\nX-Injected: 1" }],
    ["a value whose octets become LF", { link, "x-any": "a\u010aX-Injected: 1" }],
    ["a list with CR LF", { link, "x-any": ["a", "b\r\nX-Injected: 1"] }],
    ["a name with CR LF", { link, "x: a\r\nX-Injected": "1" }],
    ["a link with CR LF", { link: "</a\r\nX-Injected: 1>; rel=preload" }],
    ["a list of links with CR LF", { link: [link, "</a\r\nX-Injected: 1>; rel=preload"] }],
    ["a value that turns", { link, "x-any": turning() }],
    [
      "a link behind a getter that turns",
      {
        link: Object.defineProperty([link, ""], 1, {
          get: (
            (reads = 0) =>
            () =>
              reads++ < 1 ? link : "</a\r\nX-Injected: 1>; rel=preload"
          )(),
        }),
      },
    ],
  ])("%s", async (_what, hints) => {
    let refused = false;
    const target = await STARTERS[framework]?.((_request, response) => {
      try {
        response.writeEarlyHints(hints as never);
      } catch {
        refused = true; // some versions of Node look at them
      }
      response.end("ok");
    });
    const { responses, problems, octets } = await exchange(target as Target, GET);
    expect({ problems, text: responses[0]?.text() }).toEqual({ problems: [], text: "ok" });
    expect(octets.toString("latin1")).not.toMatch(/^X-Injected/im);
    if (!refused && responses[0]?.interim.length === 0) expect(incidents).toMatchObject([{ code: "IR-4" }]);
  });

  it("and those that are well go out", async () => {
    let flushed = 0;
    const target = await STARTERS[framework]?.((_request, response) => {
      response.writeEarlyHints({ link: [link, "</b.js>; rel=preload"], "x-any": "a" }, () => flushed++);
      response.writeProcessing();
      response.end("ok");
    });
    const { responses, problems } = await exchange(target as Target, GET);
    expect({ problems, text: responses[0]?.text(), flushed }).toEqual({ problems: [], text: "ok", flushed: 1 });
    expect(responses[0]?.interim).toMatchObject([
      {
        status: 103,
        fields: [
          ["Link", `${link}, </b.js>; rel=preload`],
          ["x-any", "a"],
        ],
      },
      { status: 102 },
    ]);
    expect(incidents).toEqual([]);
  });
});

describe("interim responses that the app writes itself", () => {
  interface Case {
    readonly what: string;
    readonly pieces: readonly string[];
    readonly statuses: readonly number[];
    readonly told?: string;
  }
  const cases: readonly Case[] = [
    { what: "a 103", pieces: [HINTS], statuses: [103] },
    { what: "a 103 in pieces", pieces: inPieces(HINTS), statuses: [103] },
    { what: "a 102", pieces: ["HTTP/1.1 102 Processing\r\n\r\n"], statuses: [102] },
    { what: "a 100", pieces: ["HTTP/1.1 100 Continue\r\n\r\n"], statuses: [100] },
    { what: "two at once", pieces: [HINTS + HINTS], statuses: [103, 103] },
    { what: "two, cut in the middle", pieces: [HINTS + HINTS.slice(0, 30), HINTS.slice(30)], statuses: [103, 103] },
    { what: "one without a reason phrase", pieces: ["HTTP/1.1 103 \r\n\r\n"], statuses: [103] },
    {
      what: "one with a field that is none",
      pieces: [HINTS.replace("Link:", "Li nk:")],
      statuses: [],
      told: "IR-4",
    },
    {
      what: "one with a bare LF",
      pieces: [HINTS.replace("preload", "pre\nload")],
      statuses: [],
      told: "IR-4",
    },
    {
      what: "one with a length",
      pieces: [HINTS.replace("Link:", "Content-Length: 5\r\nLink:")],
      statuses: [103],
      told: "IR-1",
    },
    {
      what: "a good one behind a bad one",
      pieces: [HINTS.replace("Link:", "Li nk:"), HINTS],
      statuses: [103],
      told: "IR-4",
    },
  ];
  const begun: Case = { what: "one that never ends", pieces: [HINTS.slice(0, -4)], statuses: [], told: "IR-4" };

  it.each([...cases, begun])("by _writeRaw: $what", async ({ pieces, statuses, told }) => {
    const target = await node((_request, response) => {
      for (const piece of pieces) (response as Raw)._writeRaw(piece, "latin1");
      response.end("ok");
    });
    const { responses, problems } = await exchange(target, GET);
    expect({ problems, text: responses[0]?.text() }).toEqual({ problems: [], text: "ok" });
    expect(responses[0]?.interim.map(({ status }) => status)).toEqual(statuses);
    expect(incidents.map(({ code }) => code)).toEqual(told === undefined ? [] : [told]);
  });

  it.each(["with", "without"])("by _writeRaw, %s an encoding before the callback", async (which) => {
    let called = false;
    const server = await node((_request, response) => {
      const done = () => {
        called = true;
        response.end("ok");
      };
      if (which === "with") (response as Raw)._writeRaw(HINTS, "latin1", done);
      else (response as Raw)._writeRaw(HINTS, done);
    });
    const { responses } = await exchange(server, { path: "/" });
    expect(responses.map(({ status, interim }) => [status, interim.length])).toEqual([[200, 1]]);
    expect(called).toBe(true);
  });

  it("by _writeRaw, behind writeHead() and before anything of it is sent", async () => {
    const server = await node((_request, response) => {
      response.writeHead(200);
      (response as Raw)._writeRaw(HINTS, "latin1");
      response.end("ok");
    });
    const { responses, problems } = await exchange(server, { path: "/" });
    expect(problems).toEqual([]);
    expect(responses.map(({ status, interim }) => [status, interim.length])).toEqual([[200, 1]]);
  });

  it("by _writeRaw, as octets", async () => {
    const target = await node((_request, response) => {
      (response as Raw)._writeRaw(Buffer.from(HINTS));
      response.end("ok");
    });
    const { responses } = await exchange(target, GET);
    expect(responses[0]?.interim).toMatchObject([{ status: 103, fields: [["Link", "</a.css>; rel=preload"]] }]);
  });

  it.each(cases)("by socket.write: $what", async ({ pieces, statuses, told }) => {
    const target = await node((request, response) => {
      for (const piece of pieces) request.socket.write(piece, "latin1");
      setImmediate(() => response.end("ok"));
    });
    const { responses, problems } = await exchange(target, [{}, {}]);
    expect({ problems, text: responses[0]?.text() }).toEqual({ problems: [], text: "ok" });
    for (const { interim } of responses) expect(interim.map(({ status }) => status)).toEqual(statuses);
    expect([...new Set(incidents.map(({ code }) => code))]).toEqual(told === undefined ? [] : [told]);
  });

  it("by socket.write, with the final response behind it", async () => {
    const target = await node((request) => {
      request.socket.write(HINTS);
      request.socket.write("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\nok");
    });
    const { responses, problems } = await exchange(target, GET);
    expect({ problems, text: responses[0]?.text() }).toEqual({ problems: [], text: "ok" });
    expect(responses[0]?.interim).toMatchObject([{ status: 103 }]);
    expect(incidents).toEqual([]);
  });

  it("reach no HTTP/1.0 client", async () => {
    const target = await node((request, response) => {
      if (request.url === "/socket") request.socket.write(HINTS);
      else (response as Raw)._writeRaw(HINTS, "latin1");
      response.end("ok");
    });
    for (const path of ["/", "/socket"]) {
      const { responses, problems } = await exchange(target, `GET ${path} HTTP/1.0\r\n\r\n`);
      expect({ problems, text: responses[0]?.text() }).toEqual({ problems: [], text: "ok" });
      expect(responses[0]?.interim).toEqual([]);
    }
    expect(incidents.map(({ code }) => code)).toEqual(["SL-7", "SL-7"]);
  });

  it("are sent before the 101 of an upgrade", async () => {
    const server = createServer(() => {});
    server.on("upgrade", (_request, socket) => {
      socket.write("HTTP/1.1 100 Continue\r\n\r\n");
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
      socket.end();
    });
    createGuard(options()).attach(server);
    const request = "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
    const { octets } = await exchange(await listen(server), request);
    expect(octets.toString("latin1").match(/^HTTP\/1\.1 [0-9]{3}/gm)).toEqual(["HTTP/1.1 100", "HTTP/1.1 101"]);
  });

  it("@fastify/early-hints: its hints go out, and the response follows", async () => {
    const app = fastify();
    apps.push(app);
    await app.register(fastifyGuard, options());
    // Its last release asks for Fastify 4 by name.
    const plugin = earlyHints as unknown as (app: unknown, options: object, next: () => void) => void;
    plugin(app, {}, () => {});
    app.get("/", async (_request, reply) => {
      const hinting = reply as unknown as { writeEarlyHintsLinks(links: object[]): Promise<void> };
      await hinting.writeEarlyHintsLinks([{ href: "/a.css", rel: "preload" }]);
      return { ok: true };
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    const { responses, problems } = await exchange(app.server, GET);
    expect({ problems, text: responses[0]?.text() }).toEqual({ problems: [], text: '{"ok":true}' });
    expect(responses[0]?.interim).toMatchObject([{ status: 103 }]);
    expect(incidents).toEqual([]);
  });
});

describe("interim responses of a request that is not at its turn", () => {
  it.each(["before the first answer", "after its own answer has begun to wait"])("come with it: %s", async (when) => {
    let answerFirst = () => {};
    const target = await node((request, response) => {
      if (request.url === "/1") {
        answerFirst = () => response.end("one");
        return;
      }
      response.writeEarlyHints({ link: "</2.css>; rel=preload" });
      if (when.startsWith("after")) {
        response.end("two");
        setImmediate(answerFirst);
      } else {
        setImmediate(answerFirst);
        setTimeout(() => response.end("two"), 20);
      }
    });
    const { port } = (target as ReturnType<typeof createServer>).address() as { port: number };
    const wire = await Wire.open(port);
    wire.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    await wire.answers(2);
    const { responses, problems } = wire.finish();
    expect(problems).toEqual([]);
    expect(responses.map((r) => [r.text(), r.interim.map(({ status }) => status)])).toEqual([
      ["one", []],
      ["two", [103]],
    ]);
    expect(incidents).toEqual([]);
  });

  it("100 (Continue) among them, without which the content would not come", async () => {
    let answerFirst = () => {};
    const target = await node((request, response) => {
      if (request.url === "/1") {
        answerFirst = () => response.end("one");
        return;
      }
      setImmediate(answerFirst);
      request.resume().on("end", () => response.end("two"));
    });
    const { port } = (target as ReturnType<typeof createServer>).address() as { port: number };
    const wire = await Wire.open(port);
    wire.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    wire.send("POST /2 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    expect(await wire.received("100 Continue")).toBe(true);
    wire.write("ok");
    await wire.answers(2);
    const { responses, problems } = wire.finish();
    expect({ problems, texts: responses.map((r) => r.text()) }).toEqual({ problems: [], texts: ["one", "two"] });
  });
});

describe("mode: report", () => {
  it.each<[what: string, codes: readonly string[], write: (response: ServerResponse) => void]>([
    [
      "in pieces",
      [],
      (r) => {
        for (const piece of inPieces(HINTS)) (r as Raw)._writeRaw(piece, "latin1");
      },
    ],
    ["with a bad field", ["IR-4"], (r) => void (r as Raw)._writeRaw(HINTS.replace("Link:", "Li nk:"), "latin1")],
    ["by the socket", [], (r) => void r.socket?.write(HINTS)],
    ["by the socket, with a bad field", ["IR-4"], (r) => void r.socket?.write(HINTS.replace("Link:", "Li nk:"))],
  ])("tells of interim responses, and changes no octet: %s", async (_what, codes, write) => {
    const listener: RequestListener = (_request, response) => {
      write(response);
      response.end("ok");
    };
    const seen: string[] = [];
    for (const target of [await listen(createServer(listener)), await node(listener, "report")]) {
      const { octets } = await exchange(target, GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
      seen.push(octets.toString("latin1").replace(/\r\nDate: [^\r]+/, ""));
    }
    expect(seen[1]).toBe(seen[0]);
    expect(incidents.map(({ code }) => code)).toEqual(codes);
  });
});

describe("HTTP/2", () => {
  it.each<[what: string, hints: Record<string, unknown>, codes: readonly string[]]>([
    ["well", { link: "</a.css>; rel=preload", "x-any": "a" }, []],
    ["CR LF in a value", { link: "</a.css>; rel=preload", "x-any": "a\r\nb" }, ["IR-4"]],
    ["a value that turns", { link: "</a.css>; rel=preload", "x-any": turning() }, []],
  ])("Early Hints, %s: the response follows", async (_what, hints, codes) => {
    const server = http2.createServer((_request, response) => {
      response.writeEarlyHints(hints as never);
      response.end("ok");
    });
    createGuard(options()).attach(server);
    await listen(server as unknown as Server);
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    apps.push(client);
    const stream = client.request({ ":path": "/" });
    const interim: unknown[] = [];
    stream.on("headers", (fields) => interim.push(fields));
    let content = "";
    for await (const chunk of stream.setEncoding("utf8")) content += chunk;
    expect(content).toBe("ok");
    expect(interim).toHaveLength(codes.length === 0 ? 1 : 0);
    expect(incidents.map(({ code }) => code)).toEqual(codes);
  });
});

describe("an interim response that is called back", () => {
  const LINK = { link: "</a.css>; rel=preload" };
  // biome-ignore lint/suspicious/noExplicitAny: methods that the types of an earlier Node do not have
  type Call = (response: any, done: () => void) => unknown;
  const calls: Readonly<Record<string, Call>> = {
    writeEarlyHints: (response, done) => response.writeEarlyHints(LINK, done),
    "writeEarlyHints, malformed": (response, done) => response.writeEarlyHints({ ...LINK, "x y": "1" }, done),
    writeContinue: (response, done) => response.writeContinue(done),
    writeProcessing: (response, done) => response.writeProcessing(done),
    writeInformation: (response, done) => response.writeInformation?.(103, LINK, done),
  };
  const turn = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const states: Readonly<Record<string, (response: ServerResponse, client: Socket) => unknown>> = {
    "nothing has happened": () => {},
    "the client has closed its side": async (_response, client) => {
      client.end();
      await turn(30);
    },
    "the client has left": async (response, client) => {
      client.resetAndDestroy();
      await once(response, "close");
    },
    "the app has destroyed its request": async ({ req }) => {
      req.destroy();
      await turn(20);
    },
    "the header section is decided": (response) => response.writeHead(200),
    "the response has ended": (response) => response.end(),
  };

  /** What a call comes to. */
  async function told(mode: "bare" | "enforce" | "report", state: string, call: string): Promise<unknown[]> {
    const told: unknown[] = [];
    let isOver = () => {};
    const over = new Promise<void>((resolve) => {
      isOver = resolve;
    });
    const server = await listen(
      createServer(async (request, response) => {
        request.on("error", () => {});
        await states[state]?.(response, client);
        try {
          told.push(calls[call]?.(response as never, () => told.push("called back")));
        } catch (error) {
          told.push((error as NodeJS.ErrnoException).code);
        }
        await turn(30);
        if (!response.writableEnded) response.end();
        isOver();
      }),
    );
    if (mode !== "bare") createGuard(options(mode)).attach(server);
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1").on("error", () => {});
    client.resume().write(GET);
    await over;
    client.destroy();
    server.close();
    return told;
  }

  const cases = Object.keys(states).flatMap((state) => Object.keys(calls).map((call) => [state, call] as const));
  it.each(cases)("is called back where Node does: %s, %s", async (state, call) => {
    const bare = await told("bare", state, call);
    expect(await told("enforce", state, call)).toEqual(bare);
    expect(await told("report", state, call)).toEqual(bare);
  });
});
