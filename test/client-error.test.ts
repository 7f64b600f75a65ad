import { once } from "node:events";
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect, createServer as createNetServer, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { createGuard, type GuardOptions } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { Wire } from "./helpers/wire.js";
import { listen } from "./testing/servers.js";

type Incident = { code: string; action: string };

const incidents: Incident[] = [];

function options(): GuardOptions {
  incidents.length = 0;
  const note = (record: object) => {
    if ("action" in record) incidents.push(record as Incident);
  };
  return { firstByteDeadlineMs: 400, logger: { info: note, warn: note, error: note } };
}

const answers: RequestListener = (request, response) => {
  if (request.url === "/204") response.statusCode = 204;
  if (request.url === "/close") response.setHeader("Connection", "close");
  if (request.url === "/slow") setTimeout(() => response.end("ok"), 20);
  else response.end("ok");
};

async function open(listener: RequestListener, prepare?: (server: Server) => void): Promise<Wire> {
  const server = createServer(listener);
  prepare?.(server);
  createGuard(options()).attach(server);
  await listen(server);
  return Wire.open((server.address() as AddressInfo).port);
}

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const CHUNKED = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const GARBAGE = "\x01\x02garbage\r\n\r\n";

describe("octets behind a response that nobody has asked anything with (MC-7)", () => {
  const together: [what: string, octets: string][] = [
    ["garbage behind the request", GET + GARBAGE],
    ["garbage behind a HEAD", GET.replace("GET", "HEAD") + GARBAGE],
    ["garbage behind a request that is answered later", GET.replace("/", "/slow") + GARBAGE],
    ["garbage behind a request with 204", GET.replace("/", "/204") + GARBAGE],
    ["garbage behind a response that closes", GET.replace("/", "/close") + GARBAGE],
    ["garbage behind HTTP/1.0", `GET / HTTP/1.0\r\n\r\n${GARBAGE}`],
    ["garbage behind two requests", GET + GET + GARBAGE],
    ["a TLS handshake", `${GET}\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03`],
    ["a response", `${GET}HTTP/1.1 200 OK\r\n\r\n`],
    ["a bad chunk of a request that has been answered", `${CHUNKED}zz\r\n`],
    ["a bad trailer of a request that has been answered", `${CHUNKED}0\r\nbad trailer\r\n\r\n`],
    ["content beyond its length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhello!"],
  ];
  it.each(together)("%s, in one piece: the connection ends behind the response", async (_what, octets) => {
    const wire = await open(answers);
    wire.send(octets);
    expect(await wire.ended()).toBe(true);
    const { responses, problems, end, requests } = wire.finish();
    expect({ problems, end, answers: responses.length }).toEqual({ problems: [], end: "fin", answers: requests });
    expect(incidents).toEqual([]);
  });

  const later: [what: string, request: string, octets: string][] = [
    ["garbage", GET, GARBAGE],
    ["garbage behind empty lines", GET, `\r\n\r\n${GARBAGE}`],
    ["words", GET, "hello world\r\n"],
    ["a response", GET, "HTTP/1.1 200 OK\r\n\r\n"],
    ["a bad chunk", CHUNKED, "zz\r\n"],
    ["a bad chunk behind a good one", `${CHUNKED}2\r\nok\r\n`, "zz\r\n"],
  ];
  it.each(later)("%s, on an idle connection: it ends, and nothing is sent", async (_what, request, octets) => {
    const wire = await open(answers);
    wire.send(request);
    await wire.answers(1);
    wire.write(octets);
    expect(await wire.ended()).toBe(true);
    const { responses, problems, end } = wire.finish();
    expect({ problems, end, answers: responses.length }).toEqual({ problems: [], end: "fin", answers: 1 });
  });

  it("the response says that the connection closes, where that is known in time", async () => {
    const wire = await open(answers);
    wire.send(GET.replace("/", "/slow") + GARBAGE);
    await wire.ended();
    expect(wire.finish().responses[0]?.field("connection")).toBe("close");
  });

  it("listeners for clientError are told, and what they write goes nowhere", async () => {
    const told: string[] = [];
    for (const [request, octets] of [
      [GET, GARBAGE],
      [GET + GARBAGE, ""],
      [CHUNKED, "zz\r\n"],
      [`${CHUNKED}zz\r\n`, ""],
    ]) {
      const wire = await open(answers, (server) =>
        server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
          told.push(String(error.code));
          socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
        }),
      );
      wire.send(request as string);
      await wire.answers(1);
      wire.write(octets as string);
      await wire.ended();
      const { responses, problems } = wire.finish();
      expect({ problems, answers: responses.length }).toEqual({ problems: [], answers: 1 });
    }
    expect(told).toEqual([
      "HPE_INVALID_METHOD",
      "HPE_INVALID_METHOD",
      "HPE_INVALID_CHUNK_SIZE",
      "HPE_INVALID_CHUNK_SIZE",
    ]);
  });
});

describe("a malformed request behind a response", () => {
  it.each([
    ["of a version that is none", "GET / HTTP/9.9\r\n\r\n", 400],
    ["of a method nobody knows", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["with a field that is none", "GET / HTTP/1.1\r\nHo st: a\r\n\r\n", 400],
    ["with a header section too large", `GET / HTTP/1.1\r\nX: ${"a".repeat(20_000)}\r\n\r\n`, 431],
  ])("%s gets its answer", async (_what, octets, status) => {
    for (const request of [GET, ""]) {
      const wire = await open(answers);
      if (request !== "") {
        wire.send(request);
        await wire.answers(1);
      }
      wire.send(octets, [{ method: "GET", version: "1.1" }]);
      expect(await wire.ended()).toBe(true);
      const { responses, problems } = wire.finish();
      expect(problems).toEqual([]);
      expect(responses.at(-1)?.status).toBe(status);
    }
  });
});

describe("a listener for clientError that does not answer", () => {
  const listeners: Record<string, (error: Error, socket: Socket) => void> = {
    throws: () => {
      throw Object.assign(new Error("listener"), { status: 503 });
    },
    "does nothing": () => {},
    "ends the connection with nothing": (_error, socket) => void socket.end(),
    "destroys the connection": (_error, socket) => void socket.destroy(),
    "destroys it with the error": (error, socket) => void socket.destroy(error),
    "writes junk": (_error, socket) => void socket.write("junk"),
    "writes junk and ends": (_error, socket) => void socket.end("junk"),
    "writes junk and throws": (_error, socket) => {
      socket.write("junk");
      throw new Error("listener");
    },
    "begins an answer": (_error, socket) => void socket.write("HTTP/1.1 400 Bad Request\r\n"),
    rejects: (async () => {
      throw new Error("listener");
    }) as never,
  };
  const requests: [octets: string, status: number, serverOptions?: object][] = [
    ["GET / HTTP/9.9\r\n\r\n", 400],
    [GARBAGE, 400],
    [`GET / HTTP/1.1\r\nX: ${"a".repeat(20_000)}\r\n\r\n`, 431],
    [`${CHUNKED}2;${"a".repeat(20_000)}\r\nok\r\n`, 413],
  ];
  const cases = Object.keys(listeners).flatMap((what) =>
    requests.map(([octets, status]) => [what, status, octets] as const),
  );

  it.each(cases)("one that %s: Node's own %i is the answer", async (what, status, octets) => {
    const pending: RequestListener = (request) => request.resume().on("error", () => {});
    const wire = await open(pending, (server) => server.on("clientError", listeners[what] as never));
    wire.send(octets, [{ method: "GET", version: "1.1" }]);
    expect(await wire.ended()).toBe(true);
    const { responses, problems } = wire.finish();
    expect({ problems, status: responses[0]?.status }).toEqual({ problems: [], status });
    expect(responses[0]?.field("date")).toBeDefined();
    expect(responses[0]?.field("connection")).toBe("close");
    expect(incidents).toMatchObject([{ code: "CLIENT_ERROR", action: "replaced" }]);
  });
});

describe("a listener for clientError that asks whether it can write, as Node's documentation does", () => {
  it.each([
    ["an upload that its client cuts short", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"],
    ["a chunk cut short", `${CHUNKED}5\r\nabc`],
  ])("answers %s", async (_what, octets) => {
    const reading: RequestListener = (request) => request.resume().on("error", () => {});
    const wire = await open(reading, (server) =>
      server.on("clientError", (_error, socket) => {
        if (socket.writable) socket.end("HTTP/1.1 400 Mine\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        else socket.destroy();
      }),
    );
    wire.send(octets, [{ method: "POST", version: "1.1" }]);
    wire.socket.end();
    expect(await wire.ended()).toBe(true);
    const { responses, problems } = wire.finish();
    expect({ problems, reason: responses[0]?.reason }).toEqual({ problems: [], reason: "Mine" });
  });

  it("has answered when the app comes to know, which writes nothing late", async () => {
    let answered = () => {};
    const hasAnswered = new Promise<void>((resolve) => {
      answered = resolve;
    });
    const answering: RequestListener = (request, response) => {
      request.resume().on("error", () => {
        setImmediate(() => {
          response.end("incomplete");
          answered();
        });
      });
    };
    const wire = await open(answering, (server) =>
      server.on("clientError", (_error, socket) => void socket.end("HTTP/1.1 400 Mine\r\nContent-Length: 0\r\n\r\n")),
    );
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", [{ method: "POST", version: "1.1" }]);
    wire.socket.end();
    await hasAnswered;
    expect(await wire.ended()).toBe(true);
    expect(incidents).toEqual([]);
  });
});

describe("octets that arrive behind malformed ones, until somebody ends the connection", () => {
  type Heard = (socket: Socket, times: number) => void;
  const MINE = "HTTP/1.1 400 Mine\r\nDate: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

  /** What a listener for `clientError` is told while the client sends a piece each time, five at most. */
  async function toldOf(isGuarded: boolean, opening: string, listener: Heard): Promise<string[]> {
    const told: string[] = [];
    let wire: Wire | undefined;
    const server = createServer((request) => request.resume().on("error", () => {}));
    const heard = new Promise<void>((resolve) => {
      server.on("clientError", (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket) => {
        told.push(`${error.code} ${error.rawPacket?.length}`);
        listener(socket as Socket, told.length);
        if (told.length < 5) wire?.write("x".repeat(told.length));
        else resolve();
      });
    });
    if (isGuarded) createGuard(options()).attach(server);
    await listen(server);
    wire = await Wire.open((server.address() as AddressInfo).port);
    wire.write(opening);
    await Promise.race([heard, wire.ended()]);
    wire.destroy();
    server.close().closeAllConnections();
    return told;
  }

  const openings: [what: string, octets: string][] = [
    ["no request", GARBAGE],
    ["a request that is none", "GET / HTTP/9.9\r\n\r\n"],
    ["garbage behind a request", GET + GARBAGE],
    ["malformed content", `${CHUNKED}zz\r\n`],
  ];
  const listeners: Record<string, Heard> = {
    "does nothing": () => {},
    "begins an answer": (socket) => void socket.write("HTTP/1.1 400 Mine\r\n"),
    "answers at the fifth": (socket, times) => void (times === 5 && socket.end(MINE)),
  };
  const cases = Object.keys(listeners).flatMap((what) => openings.map(([first, octets]) => [first, what, octets]));

  it.each(cases)("%s: a listener that %s is told of each piece", async (_first, what, octets) => {
    const listener: Heard = (socket, times) => listeners[what as string]?.(socket, times);
    const told = await toldOf(false, octets as string, listener);
    expect(told).toHaveLength(5);
    expect(await toldOf(true, octets as string, listener)).toEqual(told);
  });

  it("what a listener writes at the last is the answer, and the only one", async () => {
    let times = 0;
    let wire: Wire | undefined;
    wire = await open(answers, (server) =>
      server.on("clientError", (_error, socket) => {
        times++;
        if (times < 3) wire?.write("x");
        else socket.end("HTTP/1.1 422 Mine\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      }),
    );
    wire.send("GET / HTTP/9.9\r\n\r\n");
    expect(await wire.ended()).toBe(true);
    const { responses, problems } = wire.finish();
    expect({ problems, statuses: responses.map(({ status }) => status) }).toEqual({ problems: [], statuses: [422] });
    expect(incidents).toEqual([]);
  });

  it.each([true, false])(
    "what is in the socket's buffer is told even where it is destroyed (guarded: %s)",
    async (isGuarded) => {
      const told: string[] = [];
      const server = createServer(answers);
      server.on("clientError", (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket) => {
        told.push(String(error.rawPacket));
        socket.destroy();
      });
      if (isGuarded) createGuard(options()).attach(server);
      const front = createNetServer((socket) =>
        socket.once("readable", () => {
          socket.unshift(socket.read(1));
          server.emit("connection", socket);
        }),
      );
      await listen(front as Server);
      const wire = await Wire.open((front.address() as AddressInfo).port);
      wire.write("123");
      await wire.ended();
      wire.destroy();
      front.close();
      expect(told).toEqual(["1", "23"]);
    },
  );
});

describe("malformed octets behind requests that are not answered yet", () => {
  type Heard = (error: Error, socket: Socket) => void;
  const answered = (status: number) => `HTTP/1.1 ${status} Mine\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
  /** The app answers once `malformed` has been told. */
  async function openTold(listener: Heard | undefined) {
    const told: string[] = [];
    let tell = (_what: string) => {};
    const heard = new Promise<void>((resolve) => {
      tell = (what) => {
        told.push(what);
        resolve();
      };
    });
    const app: RequestListener = (request, response) => {
      if (listener === undefined) request.socket.once("error", () => tell("error"));
      void heard.then(() => {
        told.push("answer");
        response.end("ok");
      });
    };
    const wire = await open(app, (server) => {
      if (listener === undefined) return;
      server.on("clientError", (error, socket) => {
        tell("clientError");
        listener(error, socket as Socket);
      });
    });
    return { wire, told };
  }
  const MALFORMED = "GET / HTTP/9.9\r\n\r\n";

  it.each<[what: string, listener: Heard | undefined, told: string, status: number]>([
    ["nobody listens", undefined, "error", 400],
    ["a listener answers", (_error, socket) => void socket.end(answered(431)), "clientError", 431],
    [
      "a listener answers later",
      (_error, socket) => void setImmediate(() => socket.end(answered(431))),
      "clientError",
      431,
    ],
    ["a listener destroys the socket", (_error, socket) => void socket.destroy(), "clientError", 400],
    ["a listener destroys it with the error", (error, socket) => void socket.destroy(error), "clientError", 400],
    ["a listener does nothing", () => {}, "clientError", 400],
  ])("%s: told at once, and answered behind the others", async (_what, listener, what, status) => {
    const { wire, told } = await openTold(listener);
    wire.send(GET + GET);
    wire.send(MALFORMED, [{ method: "GET", version: "1.1" }]);
    expect(await wire.ended()).toBe(true);
    const { responses, problems } = wire.finish();
    expect(problems).toEqual([]);
    expect(responses.map((response) => response.status)).toEqual([200, 200, status]);
    expect(responses.map((response) => response.text()).slice(0, 2)).toEqual(["ok", "ok"]);
    expect(new Set(told)).toEqual(new Set([what, "answer"]));
    expect(told[0]).toBe(what);
  });

  it("an app that answers nothing any more, since it has been told: Node's own 400 is the answer", async () => {
    const server = createServer(() => {});
    createGuard({ logger: false, shutdown: false }).attach(server);
    await listen(server);
    const wire = await Wire.open((server.address() as AddressInfo).port);
    wire.send(GET);
    wire.write(MALFORMED);
    expect(await wire.ended(8_000)).toBe(true);
    const { responses, problems } = wire.finish();
    expect({ problems, statuses: responses.map(({ status }) => status) }).toEqual({ problems: [], statuses: [400] });
  }, 30_000);

  it("a listener answers a request whose content is malformed", async () => {
    const wire = await open(
      (request) => request.resume().on("error", () => {}),
      (server) => server.on("clientError", (_error, socket) => socket.end(answered(422))),
    );
    wire.send(`${CHUNKED}zz\r\n`);
    expect(await wire.ended()).toBe(true);
    const { responses, problems } = wire.finish();
    expect({ problems, statuses: responses.map(({ status }) => status) }).toEqual({ problems: [], statuses: [422] });
    expect(incidents).toEqual([]);
  });

  it("the app may still answer it where a listener does nothing", async () => {
    let end = () => {};
    const wire = await open(
      (_request, response) => {
        end = () => response.end("mine");
      },
      (server) => server.on("clientError", () => setImmediate(end)),
    );
    wire.send(`${CHUNKED}zz\r\n`);
    expect(await wire.ended()).toBe(true);
    expect(wire.finish().responses.map((response) => response.text())).toEqual(["mine"]);
  });
});

describe("an app that destroys a connection with an error", () => {
  const writers: Record<string, (socket: Socket) => void> = {
    "ends it with an answer": (socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
    "writes an answer later": (socket) => void setImmediate(() => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n")),
    "destroys it": (socket) => void socket.destroy(),
    "destroys it later": (socket) => void setImmediate(() => socket.destroy()),
  };
  const ways: Record<string, (response: ServerResponse) => void> = {
    "res.destroy()": (response) => void response.destroy(new Error("mine")),
    "req.destroy()": (response) => void response.req.destroy(new Error("mine")),
    "socket.destroy()": (response) => void response.req.socket.destroy(new Error("mine")),
  };
  const cases = Object.keys(ways).flatMap((way) => Object.keys(writers).map((what) => [way, what] as const));
  it.each(cases)("by %s, and a listener for clientError that %s: the fallback is whole", async (way, what) => {
    const told: unknown[] = [];
    const wire = await open(
      (_request, response) => ways[way]?.(response),
      (server) =>
        server.on("clientError", (error, socket) => {
          told.push(error.message, (socket as Socket).writable, (socket as Socket).destroyed);
          writers[what]?.(socket as Socket);
        }),
    );
    wire.send(GET);
    expect(await wire.ended()).toBe(true);
    const { responses, problems } = wire.finish();
    expect({ problems, statuses: responses.map(({ status }) => status) }).toEqual({ problems: [], statuses: [500] });
    expect(told).toEqual(["mine", false, true]);
    expect(incidents).toMatchObject([{ code: "MC-2", action: "replaced" }]);
  });
});

describe("HTTP/1.0 clients get no Transfer-Encoding, and no chunks", () => {
  // biome-ignore lint/suspicious/noExplicitAny: an app may do all this
  const ways: Record<string, (response: any) => void> = {
    setHeader: (r) => r.setHeader("Transfer-Encoding", "chunked"),
    "setHeader in another case, as an object": (r) => r.setHeader("TRANSFER-encoding", { toString: () => "Chunked" }),
    writeHead: (r) => r.writeHead(200, { "Transfer-Encoding": "chunked" }),
    "a list in writeHead": (r) => r.writeHead(200, ["Transfer-Encoding", "chunked"]),
    "a list of pairs in writeHead": (r) => r.writeHead(200, [["Transfer-Encoding", "gzip, chunked"]]),
    useChunkedEncodingByDefault: (r) => Object.assign(r, { useChunkedEncodingByDefault: true }),
    "that and shouldKeepAlive": (r) => Object.assign(r, { useChunkedEncodingByDefault: true, shouldKeepAlive: true }),
    "that and flushHeaders": (r) => Object.assign(r, { useChunkedEncodingByDefault: true }).flushHeaders(),
    "that and trailers": (r) => {
      Object.assign(r, { useChunkedEncodingByDefault: true }).setHeader("Trailer", "X-Sum");
      r.addTrailers({ "X-Sum": "1" });
    },
    chunkedEncoding: (r) => Object.assign(r, { chunkedEncoding: true }),
    "chunkedEncoding behind the header section": (r) => Object.assign(r.writeHead(200), { chunkedEncoding: true }),
    "TE in the request alone": () => {},
    "a version that the app has changed": (r) => {
      Object.assign(r.req, { httpVersion: "1.1", httpVersionMinor: 1 });
      r.setHeader("Transfer-Encoding", "chunked");
    },
  };
  const ends: Record<string, RequestListener> = {
    "end()": (_request, response) => response.end("hello"),
    "write() and end()": (_request, response) => {
      response.write("hel");
      setImmediate(() => response.end("lo"));
    },
  };
  const cases = Object.keys(ways).flatMap((way) =>
    ["GET", "HEAD"].flatMap((method) => Object.keys(ends).map((end) => [way, method, end] as const)),
  );

  it.each(cases)("by %s, to %s, with %s", async (way, method, end) => {
    for (const fields of ["TE: chunked\r\n", "TE: chunked\r\nConnection: keep-alive\r\n"]) {
      // Who persists in spite of the client breaks another rule.
      if (way.endsWith("shouldKeepAlive") && !fields.includes("keep-alive")) continue;
      const server = createServer((request, response) => {
        ways[way]?.(response);
        ends[end]?.(request, response);
      });
      createGuard(options()).attach(server);
      const { responses, problems, octets } = await exchange(
        await listen(server),
        `${method} / HTTP/1.0\r\n${fields}\r\n`,
      );
      expect({ problems, text: responses[0]?.text() }).toEqual({ problems: [], text: method === "GET" ? "hello" : "" });
      expect(octets.toString("latin1")).not.toMatch(/^Transfer-Encoding/im);
    }
  });

  it("is told where Node was about to chunk", async () => {
    const server = createServer((_request, response) => {
      response.write("hel");
      response.end("lo");
    });
    createGuard(options()).attach(server);
    await exchange(await listen(server), "GET / HTTP/1.0\r\nTE: chunked\r\n\r\n");
    expect(incidents).toMatchObject([{ code: "FR-8", action: "repaired" }]);
  });
});

describe("what follows a response that closes, while the rest of an upload is on its way", () => {
  const UPLOAD = `POST /close HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n${"x".repeat(10_000)}`;

  /** The errors that listeners for `clientError` are told of. */
  async function told(guarded: boolean, rest: string): Promise<unknown[]> {
    const errors: unknown[] = [];
    const server = createServer(answers);
    server.on("clientError", (error, socket) => {
      errors.push((error as { code?: string }).code);
      socket.destroy();
    });
    if (guarded) createGuard({ logger: false }).attach(server);
    await listen(server);
    const client = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
    client.on("error", () => {}).write(UPLOAD);
    const [octets] = (await once(client, "data")) as [Buffer];
    expect(octets.toString("latin1")).toContain(" 200 OK");
    client.resume().end("x".repeat(90_000) + rest);
    await new Promise((resolve) => client.once("end", resolve).once("close", resolve));
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.destroy();
    return errors;
  }

  it.each([
    ["half a request", "GET / HT"],
    ["garbage", GARBAGE],
  ])("is no error of a client's: %s", async (_what, rest) => {
    expect(await told(false, rest)).toEqual([]);
    expect(await told(true, rest)).toEqual([]);
  });
});
