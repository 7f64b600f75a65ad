import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { exchange } from "../../src/testing/index.js";
import { selfSigned } from "../testing/certificate.js";
import { endPrograms, Program } from "./program.js";

// Servers that never listen: somebody else accepts their connections, and gives them by hand.

afterEach(endPrograms);

const REQUIRED = ["--require", "rayguard/register"];
const TELL = "function () { process.send(this.address().port); }";
const HANDLER = `(request, response) => {
  if (request.url === "/drop") return void response.destroy();
  if (request.url === "/slow") return void setTimeout(() => response.end("slow"), 300);
  response.end("fine");
}`;
const SERVER = `const http = require("node:http");
const net = require("node:net");
const server = http.createServer(${HANDLER});
server.on("upgrade", (request, socket) => socket.destroy());`;
const FRONT = `${SERVER}
net.createServer((socket) => server.emit("connection", socket)).listen(0, "127.0.0.1", ${TELL});`;

const WAYS: Record<string, string> = {
  "behind a listener of node:net": FRONT,
  "behind one that looks at the first octet": `${SERVER}
  net.createServer((socket) => socket.once("readable", () => {
    const first = socket.read(1);
    if (first !== null) socket.unshift(first);
    server.emit("connection", socket);
  })).listen(0, "127.0.0.1", ${TELL});`,
  "with emit() of a library's own on the prototype": `const { Server } = require("node:http");
  const { emit } = Server.prototype;
  Server.prototype.emit = function () { return emit.apply(this, arguments); };
  ${FRONT}`,
  "in a child process that is handed its connections": `if (process.argv[2] !== "child") {
    const child = require("node:child_process").fork(__filename, ["child"]);
    require("node:net").createServer({ pauseOnConnect: true }, (socket) => child.send("connection", socket))
      .listen(0, "127.0.0.1", ${TELL});
    process.on("exit", () => child.kill());
  } else {
    ${SERVER}
    process.on("message", (message, socket) => {
      server.emit("connection", socket);
      socket.resume();
    });
  }`,
  "in the worker of a cluster that is handed its connections": `const cluster = require("node:cluster");
  if (cluster.isPrimary) {
    const worker = cluster.fork();
    require("node:net").createServer({ pauseOnConnect: true }, (socket) => worker.send("connection", socket))
      .listen(0, "127.0.0.1", ${TELL});
  } else {
    ${SERVER}
    process.on("message", (message, socket) => {
      socket.server = server;
      server._connections++;
      server.emit("connection", socket);
      socket.resume();
    });
  }`,
};

async function statusOf(port: number, request: { path?: string; headers?: [string, string][] }) {
  const { responses, end } = await exchange({ port }, request);
  return responses[0]?.status ?? end;
}

/** A connection on which a request has been answered. */
async function kept(port: number): Promise<Socket> {
  const socket = connectTcp(port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await once(socket, "data");
  return socket;
}

const UPGRADE = {
  headers: [
    ["Connection", "Upgrade"],
    ["Upgrade", "websocket"],
  ] as [string, string][],
};

describe("a server that never listens", { timeout: 60_000 }, () => {
  it.each(Object.entries(WAYS))("is guarded from its first connection on: %s", async (_, text) => {
    const bare = Program.start("app.cjs", text, { flags: [] });
    const [barePort] = (await bare.ports()) as [number];
    expect(await statusOf(barePort, { path: "/drop" })).not.toBe(500);
    for (const first of [{ path: "/drop" }, UPGRADE]) {
      const program = Program.start("app.cjs", text, { flags: REQUIRED });
      const [port] = (await program.ports()) as [number];
      expect(await statusOf(port, first)).toBe(500);
      expect(await statusOf(port, { path: "/" })).toBe(200);
      expect(await statusOf(port, { path: "/health" })).toBe(200);
      expect(program.stderr).toBe("");
    }
  });

  it("is guarded before a listener of the app's has its first socket", async () => {
    const text = `const net = require("node:net");
    const server = require("node:http").createServer((request) => request.socket.kill());
    server.on("connection", (socket) => { socket.kill = socket.destroy.bind(socket); });
    net.createServer((socket) => server.emit("connection", socket)).listen(0, "127.0.0.1", ${TELL});`;
    const program = Program.start("app.cjs", text, { flags: REQUIRED });
    const [port] = (await program.ports()) as [number];
    expect(await statusOf(port, { path: "/" })).toBe(500);
  });

  it("is guarded where a library that was loaded before has put an emit() of its own on the prototype", async () => {
    const library = `const { Server } = require("node:http");
    const { emit } = Server.prototype;
    Server.prototype.emit = function () { return emit.apply(this, arguments); };`;
    const folder = mkdtempSync(join(tmpdir(), "rayguard-library-"));
    const file = join(folder, "library.cjs");
    writeFileSync(file, library);
    const program = Program.start("app.cjs", FRONT, { flags: ["--require", file, ...REQUIRED] });
    const [port] = (await program.ports()) as [number];
    expect(await statusOf(port, UPGRADE)).toBe(500);
    rmSync(folder, { recursive: true });
  });

  it("is guarded over HTTP/2, on a port that it shares with HTTP/1.1 and TLS", async () => {
    const text = `const http = require("node:http"), http2 = require("node:http2"), net = require("node:net");
    const handler = (request, response) => {
      if (request.url === "/drop") return void (response.stream ?? response).destroy();
      response.end("fine");
    };
    const plain = http.createServer(handler), clear = http2.createServer(handler);
    const secure = http2.createSecureServer({ allowHTTP1: true, ...${JSON.stringify(selfSigned())} }, handler);
    net.createServer((socket) => socket.once("readable", () => {
      const first = socket.read(1);
      if (first === null) return;
      socket.unshift(first);
      (first[0] === 22 ? secure : first[0] === 80 ? clear : plain).emit("connection", socket);
    })).listen(0, "127.0.0.1", ${TELL});`;
    const program = Program.start("app.cjs", text, { flags: REQUIRED });
    const [port] = (await program.ports()) as [number];
    for (const scheme of ["http", "https"]) {
      const client = connect(`${scheme}://127.0.0.1:${port}`, { rejectUnauthorized: false });
      const stream = client.request({ ":path": "/drop" });
      stream.resume();
      expect(await new Promise((resolve) => stream.on("response", (fields) => resolve(fields[":status"])))).toBe(500);
      client.destroy();
    }
    expect(await statusOf(port, { path: "/drop" })).toBe(500);
    expect(program.stderr).toBe("");
  });

  it("is guarded behind a listener of node:tls", async () => {
    const text = `const server = require("node:https").createServer(${JSON.stringify(selfSigned())}, ${HANDLER});
    require("node:tls").createServer(${JSON.stringify(selfSigned())}, (socket) => server.emit("secureConnection", socket))
      .listen(0, "127.0.0.1", ${TELL});`;
    const program = Program.start("app.cjs", text, { flags: REQUIRED });
    const [port] = (await program.ports()) as [number];
    const { responses } = await exchange({ port, tls: { rejectUnauthorized: false } }, { path: "/drop" });
    expect(responses[0]?.status).toBe(500);
  });

  it("answers what waits when the process is ended", async () => {
    const program = Program.start("app.cjs", FRONT, { flags: REQUIRED });
    const [port] = (await program.ports()) as [number];
    const waiting = exchange({ port }, { path: "/slow" });
    await expect.poll(() => statusOf(port, { path: "/health" })).toBe(200);
    program.signal("SIGTERM");
    expect((await waiting).responses[0]?.text()).toBe("slow");
    expect(await program.end()).toBe(143);
  });

  it("has its idle connections closed when the process is to end, and waits for a request that has begun", async () => {
    const text = `${SERVER}
    const front = net.createServer((socket) => server.emit("connection", socket)).listen(0, "127.0.0.1", ${TELL});
    process.on("SIGTERM", () => front.close(() => process.exit(7)));`;
    const env = { RAYGUARD_OPTIONS: '{"shutdown":{"graceMs":4000}}' };
    const program = Program.start("app.cjs", text, { flags: REQUIRED, env });
    const [port] = (await program.ports()) as [number];
    const [idle, begun] = await Promise.all([kept(port), kept(port)]);
    begun.write("GET / HT");
    await expect.poll(async () => (await exchange({ port }, { path: "/health" })).responses[0]?.status).toBe(200);
    program.signal("SIGTERM");
    await once(idle, "close");
    begun.write("TP/1.1\r\nHost: a\r\n\r\n");
    expect(String((await once(begun, "data"))[0])).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(await program.end()).toBe(7);
  });

  it("belongs to an app that takes charge of its end by closing the listener in front", async () => {
    const text = `${SERVER}
    const front = net.createServer((socket) => server.emit("connection", socket)).listen(0, "127.0.0.1", ${TELL});
    process.on("SIGTERM", () => {
      front.close();
      setTimeout(() => process.exit(7), 1_500);
    });`;
    const env = { RAYGUARD_OPTIONS: '{"shutdown":{"graceMs":300}}' };
    const program = Program.start("app.cjs", text, { flags: REQUIRED, env });
    const [port] = (await program.ports()) as [number];
    expect(await statusOf(port, { path: "/" })).toBe(200);
    program.signal("SIGTERM");
    expect(await program.end()).toBe(7);
  });

  it("has no connections that it could close, as without a guard", async () => {
    const text = `const net = require("node:net");
    const server = require("node:http").createServer((_request, response) => {
      server.closeAllConnections();
      server.closeIdleConnections();
      response.end("fine");
    });
    net.createServer((socket) => server.emit("connection", socket)).listen(0, "127.0.0.1", ${TELL});`;
    for (const flags of [[], REQUIRED]) {
      const program = Program.start("app.cjs", text, { flags });
      const [port] = (await program.ports()) as [number];
      const { responses } = await exchange({ port }, [{ path: "/" }, { path: "/" }]);
      expect(responses.map((response) => response.text())).toEqual(["fine", "fine"]);
    }
  });

  it("hears of each connection once, as without a guard", async () => {
    const text = `const heard = [];
    const { Server } = require("node:http");
    ${SERVER}
    const own = server.emit;
    server.emit = function (event) {
      if (event === "connection") heard.push("emit");
      return own.apply(this, arguments);
    };
    server.on("connection", () => heard.push("connection"));
    server.on("request", () => process.stderr.write(heard.splice(0).join() + ";"));
    net.createServer((socket) => server.emit("connection", socket)).listen(0, "127.0.0.1", ${TELL});`;
    for (const flags of [[], REQUIRED]) {
      const program = Program.start("app.cjs", text, { flags });
      const [port] = (await program.ports()) as [number];
      for (let n = 0; n < 2; n++) expect(await statusOf(port, { path: "/" })).toBe(200);
      expect(program.stderr).toBe("emit,connection;emit,connection;");
    }
  });

  it("is left alone where the configuration says so, which is asked once", async () => {
    const files = {
      "rayguard.config.cjs": 'exports.servers = () => { process.stderr.write("asked;"); return false; };',
    };
    const program = Program.start("app.cjs", FRONT, { flags: REQUIRED, files });
    const [port] = (await program.ports()) as [number];
    for (let n = 0; n < 2; n++) expect(await statusOf(port, { path: "/drop" })).not.toBe(500);
    expect(program.stderr).toBe("asked;");
  });

  it("has the guard of the app's own", async () => {
    const text = `const { createGuard } = require("rayguard");
    ${SERVER}
    createGuard({ health: { path: "/own" }, logger: false }).attach(server);
    net.createServer((socket) => server.emit("connection", socket)).listen(0, "127.0.0.1", ${TELL});`;
    const program = Program.start("app.cjs", text, { flags: REQUIRED });
    const [port] = (await program.ports()) as [number];
    const own = await exchange({ port }, { path: "/own" });
    expect(own.responses[0]?.field("content-type")).toMatch(/json/);
    expect(await statusOf(port, { path: "/drop" })).toBe(500);
    expect(program.lines("request")).toEqual([]);
  });
});
