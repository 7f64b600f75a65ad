import { createServer, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import fastify from "fastify";
import { describe, expect, it } from "vitest";
import fastifyGuard from "../adapters/fastify.js";
import { createGuard } from "../src/index.js";
import { listen } from "./testing/servers.js";

const BAD_REQUEST = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/** A request, and what its client sends a moment later, which nobody can parse. */
const SENT = {
  "content with a bad chunk": ["POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "zz\r\nx"],
  "octets that are no request": ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "garbage"],
  "a request with a malformed field": ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nA b: c\r\n\r\n"],
} as const;

/** What nobody can parse, on a connection without any other request. */
const ALONE = {
  "octets that are no request": ["", "garbage\r\n\r\n"],
  "a request with a malformed field": ["", "GET / HTTP/1.1\r\nA b: c\r\n\r\n"],
  "a header section that is too large": ["GET / HTTP/1.1\r\nHost: a\r\n", `A: ${"x".repeat(20_000)}\r\n\r\n`],
} as const;

type Told = NodeJS.ErrnoException;
type Answer = (error: Told, socket: Socket, underWay: ServerResponse) => void;

/** Each answers in its own way, so that nothing is missing. */
const ANSWERS: Record<string, Answer> = {
  "through the response under way": (_error, _socket, response) =>
    void response.writeHead(400, { connection: "close" }).end("bad"),
  "to the socket": (_error, socket) => void socket.end(BAD_REQUEST),
  "to the socket, and destroys it": (error, socket) => {
    socket.write(BAD_REQUEST);
    socket.destroy(error);
  },
  "once the response under way is over, as hapi does": (error, socket, response) => {
    if (error.code !== "HPE_INVALID_METHOD") response.writeHead(400, { connection: "close" }).end("bad");
    else response.once("close", () => (socket.readable ? socket.end(BAD_REQUEST) : socket.destroy(error)));
  },
  "to the socket, where the handler answers as well": (_error, socket, response) => {
    socket.end(BAD_REQUEST);
    setImmediate(() => response.end("late"));
  },
};

/** Answers a GET in a moment, and a POST when it has arrived. */
function app(answer: Answer | undefined): Server {
  let underWay: ServerResponse;
  const server = createServer((request, response) => {
    underWay = response;
    for (const stream of [request, response]) stream.on("error", () => {});
    request.resume();
    const end = () => void (response.writableEnded || response.end("ok"));
    if (request.method === "GET") setTimeout(end, 80);
    else request.on("end", end);
  });
  if (answer !== undefined)
    server.on("clientError", (error: Told, socket) => answer(error, socket as Socket, underWay));
  return server;
}

async function received(server: Server, [request, rest]: readonly [string, string]): Promise<string> {
  const socket = connect((server.address() as AddressInfo).port);
  let octets = "";
  socket.on("data", (data) => {
    octets += data.toString("latin1");
  });
  socket.on("error", () => {});
  socket.write(request);
  await wait(30);
  socket.write(rest);
  await wait(200);
  socket.destroy();
  return octets.replace(/\r\nDate: [^\r]+/g, "").replace(/"reqId":"[^"]+"/g, "");
}

function reporting() {
  const codes: string[] = [];
  const note = ({ code }: { code?: string }) => void (code === undefined || codes.push(code));
  return { codes, options: { mode: "report", logger: { info() {}, warn: note, error: note } } as const };
}

async function told(answer: Answer | undefined, sent: readonly [string, string]): Promise<string[]> {
  const bare = await received(await listen(app(answer)), sent);
  const { codes, options } = reporting();
  expect(await received(await listen(createGuard(options).attach(app(answer))), sent)).toBe(bare);
  return codes;
}

async function toldByFastify(sent: readonly [string, string]): Promise<string[]> {
  const { codes, options } = reporting();
  const seen: string[] = [];
  for (const isGuarded of [false, true]) {
    const instance = fastify();
    if (isGuarded) await instance.register(fastifyGuard, options);
    instance.get("/", () => wait(80, "ok"));
    instance.post("/", () => "ok");
    await instance.listen({ port: 0 });
    seen.push(await received(instance.server, sent));
    await instance.close();
  }
  expect(seen[1]).toBe(seen[0]);
  expect(seen[0]).toMatch(/ 4(00|31) /);
  return codes;
}

describe.each(Object.entries(SENT))("mode: report on %s, behind a request that is not answered yet", (_what, sent) => {
  it.each(Object.entries(ANSWERS))("tells of nothing where a listener answers %s", async (_how, answer) => {
    expect(await told(answer, sent)).toEqual([]);
  });

  it("tells of the request where a listener closes the connection without an answer", async () => {
    expect(await told((error, socket) => void socket.destroy(error), sent)).toEqual(["CLIENT_ERROR"]);
  });

  it("tells of the request where nobody listens, and Node closes the connection", async () => {
    expect(await told(undefined, sent)).toEqual(["CLIENT_ERROR"]);
  });

  it("tells of nothing where Fastify answers", async () => {
    expect(await toldByFastify(sent)).toEqual([]);
  });
});

describe.each(Object.entries(ALONE))("mode: report on %s, and nothing else", (_what, sent) => {
  it.each(["to the socket", "to the socket, and destroys it"])(
    "tells of nothing where a listener answers %s",
    async (how) => {
      expect(await told(ANSWERS[how], sent)).toEqual([]);
    },
  );

  it("tells of it where a listener closes the connection without an answer", async () => {
    expect(await told((error, socket) => void socket.destroy(error), sent)).toEqual(["CLIENT_ERROR"]);
  });

  it("tells of nothing where nobody listens, and Node answers", async () => {
    expect(await told(undefined, sent)).toEqual([]);
  });

  it("tells of nothing where Fastify answers", async () => {
    expect(await toldByFastify(sent)).toEqual([]);
  });
});
