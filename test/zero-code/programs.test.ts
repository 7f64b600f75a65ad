import { afterEach, describe, expect, it } from "vitest";
import { type ExchangeRequest, exchange } from "../../src/testing/index.js";
import { endPrograms, Program, type Start, WITH_GUARD } from "./program.js";

// What people run, unchanged: it does its job as without a guard, and what would have been a 520 is answered.

afterEach(endPrograms);

const TELL = "function () { process.send(this.address().port); }";

/** Everything received, but for what differs from one run to the next, and how long a connection may idle. */
async function octetsOf(port: number, request: ExchangeRequest): Promise<string> {
  const { octets } = await exchange({ port }, request);
  return octets
    .toString()
    .replaceAll(String(port), "PORT")
    .replace(/^Date: .*$/m, "Date")
    .replace(/^Keep-Alive: .*$/im, "Keep-Alive")
    .replace(/"sid":"[^"]*"/, '"sid"');
}

const query = (text: string, accept = "application/json"): ExchangeRequest => ({
  method: "POST",
  path: "/graphql",
  headers: [
    ["Content-Type", "application/json"],
    ["Accept", accept],
  ],
  body: JSON.stringify({ query: text }),
});
const upload = (path: string, fields: string): ExchangeRequest => ({
  method: "POST",
  path,
  headers: [["Content-Type", "multipart/form-data; boundary=b"]],
  body: `${fields}\r\n--b\r\nContent-Disposition: form-data; name="0"; filename="a"\r\n\r\n${"x".repeat(100_000)}\r\n--b--\r\n`,
});

interface Case {
  text: string;
  /** What it is for. */
  job: readonly ExchangeRequest[];
  /** What it makes a mess of. */
  failure: ExchangeRequest;
}

const PROGRAMS: Record<string, Case> = {
  Koa: {
    text: `import Koa from "koa";
    import { createReadStream } from "node:fs";
    const app = new Koa();
    app.silent = true;
    app.use(async (context, next) => {
      await next();
      context.set("X-Program", "Koa");
    });
    app.use(async (context) => {
      if (context.path === "/json") context.body = { a: 1 };
      if (context.path === "/file") context.body = createReadStream(process.argv[1]);
      if (context.path === "/missing") context.body = createReadStream("/nowhere/at/all");
      if (context.path === "/teapot") context.throw(418);
      if (context.path === "/away") context.redirect("/json");
      if (context.path !== "/upload") return;
      let octets = 0;
      for await (const piece of context.req) octets += piece.length;
      context.body = { octets };
    });
    app.listen(0, "127.0.0.1", ${TELL});`,
    job: [
      ...["/json", "/file", "/teapot", "/away", "/nowhere"].map((path) => ({ path })),
      { path: "/json", method: "HEAD" },
      upload("/upload", ""),
    ],
    failure: { path: "/missing" },
  },
  Hono: {
    text: `import { serve } from "@hono/node-server";
    import { Hono } from "hono";
    import { compress } from "hono/compress";
    import { stream, streamSSE } from "hono/streaming";
    const app = new Hono();
    app.use("/compressed", compress());
    app.get("/json", (context) => context.json({ a: 1 }));
    app.get("/compressed", (context) => context.text("x".repeat(5_000)));
    app.get("/events", (context) => streamSSE(context, async (events) => {
      for (const data of ["1", "2"]) await events.writeSSE({ data });
    }));
    app.get("/stream", (context) => stream(context, async (pieces) => {
      for (const piece of ["a", "b"]) await pieces.write(piece);
    }));
    app.get("/empty", () => new Response(null, { status: 204 }));
    app.get("/throws", () => { throw new Error("thrown"); });
    app.onError((error, context) => context.text("handled: " + error.message, 500));
    app.get("/drop", (context) => {
      context.env.outgoing.destroy();
      return context.text("never");
    });
    app.post("/upload", async (context) => context.json({ octets: (await context.req.parseBody())["0"].size }));
    serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) => process.send(port));`,
    job: [
      ...["/json", "/events", "/stream", "/empty", "/throws", "/nowhere"].map((path) => ({ path })),
      { path: "/compressed", headers: [["Accept-Encoding", "gzip"]] },
      { path: "/json", method: "HEAD" },
      upload("/upload", ""),
    ],
    failure: { path: "/drop" },
  },
  "GraphQL Yoga": {
    text: `import { createServer } from "node:http";
    import { createSchema, createYoga } from "graphql-yoga";
    const schema = createSchema({
      typeDefs: \`scalar File
      type Query { hello: String fails: String drop: String }
      type Mutation { upload(file: File!): Int }
      type Subscription { count: Int }\`,
      resolvers: {
        Query: {
          hello: () => "hello",
          fails: () => { throw new Error("secret"); },
          drop: (_root, _arguments, { res }) => void res.destroy(),
        },
        Mutation: { upload: async (_root, { file }) => (await file.text()).length },
        Subscription: { count: { async *subscribe() { for (const count of [1, 2]) yield { count }; } } },
      },
    });
    createServer(createYoga({ schema, logging: false })).listen(0, "127.0.0.1", ${TELL});`,
    job: [
      query("{ hello }"),
      query("{ fails }"),
      query("{ nothing }"),
      query("subscription { count }", "text/event-stream"),
      { path: "/graphql?query=%7Bhello%7D" },
      { path: "/graphql", headers: [["Accept", "text/html"]] },
      upload(
        "/graphql",
        '--b\r\nContent-Disposition: form-data; name="operations"\r\n\r\n' +
          '{"query":"mutation($file:File!){upload(file:$file)}","variables":{"file":null}}\r\n' +
          '--b\r\nContent-Disposition: form-data; name="map"\r\n\r\n{"0":["variables.file"]}',
      ),
    ],
    failure: query("{ drop }"),
  },
  "Socket.IO": {
    text: `import { createServer } from "node:http";
    import { Server } from "socket.io";
    const server = createServer((_request, response) => response.end("page"));
    const io = new Server(server, { destroyUpgradeTimeout: 50 });
    io.on("connection", (socket) => {
      socket.on("echo", (value, answer) => answer(value, socket.conn.transport.name));
      socket.on("off", () => socket.disconnect(true));
    });
    server.listen(0, "127.0.0.1", ${TELL});`,
    job: [
      ...["/", "/socket.io/socket.io.js", "/socket.io/?EIO=4&transport=polling", "/socket.io/?EIO=3", "/socket.io/"],
    ].map((path) => ({ path })),
    failure: {
      path: "/elsewhere",
      headers: [
        ["Connection", "Upgrade"],
        ["Upgrade", "websocket"],
      ],
    },
  },
};

/** Ways to start it: bare, guarded, and under a keeper. */
const WAYS: readonly Start[] = [{ flags: [] }, { flags: WITH_GUARD }, { keeper: [] }];

describe.each(Object.entries(PROGRAMS))("%s", { timeout: 60_000 }, (_, { text, job, failure }) => {
  it("does its job as without a guard, is answered for, and ends", async () => {
    const seen = [];
    for (const start of WAYS) {
      const isBare = start.flags?.length === 0;
      const program = Program.start("app.mjs", text, start);
      const [port] = (await program.ports()) as [number];
      const octets = [];
      for (const request of job) octets.push(await octetsOf(port, request));
      seen.push(octets);
      const { responses } = await exchange({ port }, failure);
      expect(responses.map(({ status }) => status)).toEqual(isBare ? [] : [500]);
      expect(await octetsOf(port, job[0] as ExchangeRequest)).toBe(octets[0]);
      if (start.keeper !== undefined) {
        const pid = await program.worker();
        process.kill(pid, "SIGKILL");
        // Whoever comes meanwhile waits for the next process.
        expect(await octetsOf(port, job[0] as ExchangeRequest)).toBe(octets[0]);
      }
      program.signal("SIGTERM");
      expect(await program.end()).toBe(isBare ? "SIGTERM" : 143);
      expect(program.stderr).toBe("");
    }
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[2]).toEqual(seen[0]);
  });
});

/** Sends messages of both kinds, more than fits into one frame, and writes a line about each that has come back. */
const SOCKET_IO_CLIENT = `import { isDeepStrictEqual } from "node:util";
import { io } from "socket.io-client";
const socket = io(process.env.ADDRESS, { transports: process.env.TRANSPORTS.split(","), reconnection: false });
const heard = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));
const tell = (record) => process.stdout.write(JSON.stringify(record) + "\\n");
await heard(socket, "connect");
const { engine } = socket.io;
if (process.env.TRANSPORTS.includes(",") && engine.transport.name === "polling") await heard(engine, "upgrade");
for (const value of ["text", "x".repeat(100_000), Buffer.alloc(100_000, 7)]) {
  const [echo, transport] = await new Promise((resolve) => socket.emit("echo", value, (...answer) => resolve(answer)));
  tell({ msg: "echo", isSame: isDeepStrictEqual(echo, value), transport });
}
socket.emit("off");
tell({ msg: "off", reason: await heard(socket, "disconnect") });`;

describe.each<[string, Start]>([
  ["Socket.IO", {}],
  ["Socket.IO under a keeper", { keeper: [] }],
])("%s", { timeout: 60_000 }, (_, start) => {
  it.each([
    ["polling", "polling"],
    ["a WebSocket", "websocket"],
    ["polling, upgraded to a WebSocket", "polling,websocket"],
  ])("carries messages both ways over %s", async (_name, transports) => {
    const program = Program.start("app.mjs", (PROGRAMS["Socket.IO"] as Case).text, start);
    const [port] = (await program.ports()) as [number];
    const env = { ADDRESS: `http://127.0.0.1:${port}`, TRANSPORTS: transports };
    const client = Program.start("client.mjs", SOCKET_IO_CLIENT, { flags: [], env });
    expect(await client.end()).toBe(0);
    await expect.poll(() => client.lines("off")).toHaveLength(1);
    const transport = transports.split(",").at(-1);
    expect(client.lines("echo")).toEqual(Array(3).fill({ msg: "echo", isSame: true, transport }));
    expect(client.lines("off")).toEqual([{ msg: "off", reason: "io server disconnect" }]);
    program.signal("SIGTERM");
    expect(await program.end()).toBe(143);
    expect(program.lines("incident")).toEqual([]);
  });
});
