import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { lastingPort } from "../../playground/process/lasting-port.js";
import { MESSAGES } from "../../src/report/log.js";
import { selfSigned } from "../testing/certificate.js";
import { endPrograms, Program } from "../zero-code/program.js";

afterEach(endPrograms);

const ENV = { RAYGUARD_OPTIONS: '{"logger":false}' };
const HTTP = 'import http from "node:http";\n';

/** The same program, guarded, by itself and under a keeper. */
const WAYS = [
  ["by itself", { env: ENV }],
  ["kept", { keeper: [], env: ENV }],
] as const;

/** Sends octets, and resolves with what comes back until the other side ends, or `enough` has come. */
async function talk(
  where: number | string | { port: number; host: string },
  octets: string | readonly string[],
  enough?: RegExp,
): Promise<string> {
  const socket = typeof where === "object" ? connect(where) : connect(where as number, "127.0.0.1");
  return talkOn(typeof where === "string" ? connect(where) : socket, octets, enough);
}

async function talkOn(socket: Socket, octets: string | readonly string[], enough?: RegExp): Promise<string> {
  let received = "";
  socket.on("error", () => {});
  const over = new Promise<void>((resolve) => {
    socket.on("close", () => resolve());
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      if (enough?.test(received)) resolve();
    });
  });
  for (const part of [octets].flat()) {
    socket.write(part);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  await over;
  socket.destroy();
  return received.replace(/^Date: .*$/gm, "Date: now");
}

const closed = (socket: Socket) => new Promise((resolve) => socket.on("close", resolve).resume());

const get = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${more}\r\n`;
const contentOf = (received: string) => received.split("\r\n\r\n").slice(1).join("\r\n\r\n");

/** Runs a program both ways, and compares what a probe finds. */
async function compare(text: string, probe: (port: number, program: Program) => Promise<unknown>): Promise<unknown> {
  const found = [];
  for (const [, start] of WAYS) {
    const program = Program.start("app.mjs", HTTP + text, start);
    const [port = 0] = await program.ports();
    found.push(await probe(port, program));
    await endPrograms();
  }
  expect(found[1]).toEqual(found[0]);
  return found[1];
}

const TELL = "() => process.send(server.address().port)";

describe("a program under a keeper finds what it finds by itself:", { timeout: 60_000 }, () => {
  it("its server, at once and later", async () => {
    const text = `const server = http.createServer((request, response) => {
      server.getConnections((_, count) => response.end(JSON.stringify({
        remote: request.socket.remoteAddress, family: request.socket.remoteFamily, same: request.socket.localPort === server.address().port,
        half: request.socket.allowHalfOpen, own: request.socket.server === server, connections: count, events,
        listening: server.listening,
      })));
    });
    const events = [];
    for (const name of ["listening", "connection", "request"]) server.on(name, () => events.push(name));
    const returned = server.listen(0, "127.0.0.1", ${TELL});
    events.push([returned === server, server.listening, typeof server.address()?.port, server.address()?.address]);`;
    const found = await compare(text, async (port) => JSON.parse(contentOf(await talk(port, get("/")))));
    expect(found).toMatchObject({ remote: "127.0.0.1", same: true, own: true, connections: 1 });
  });

  it("errors of listen()", async () => {
    const text = `const told = [];
    const note = (what) => ({ message, code, syscall, address, port }) => told.push([what, message, code, syscall, address, port]);
    const attempt = (what, ...args) => {
      const one = http.createServer();
      one.on("error", note(what));
      try { one.listen(...args); } catch (error) { note(what)(error); }
      told.push([what, one.listening]);
    };
    const server = http.createServer((request, response) => response.end(JSON.stringify(told).replaceAll(String(server.address().port), "0")));
    server.listen(0, "127.0.0.1", () => {
      attempt("in use", server.address().port, "127.0.0.1");
      attempt("elsewhere", 0, "192.0.2.1");
      attempt("no port", 70_000);
      attempt("no such thing", { some: "thing" });
      attempt("a path that is none", "/none/of/these");
      try { server.listen(1); } catch (error) { note("twice")(error); }
      setTimeout(${TELL}, 200);
    });`;
    // The socket of a path is the keeper's from the start, which takes a moment.
    const found = (await compare(text, async (port) => {
      const told = JSON.parse(contentOf(await talk(port, get("/")))) as unknown[];
      return told.map((one) => JSON.stringify(one)).sort();
    })) as unknown[];
    expect(found.length).toBeGreaterThan(8);
  });

  it.each([
    ["a request", get("/a")],
    ["HEAD", "HEAD /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"],
    ["HTTP/1.0", "GET /a HTTP/1.0\r\n\r\n"],
    ["several at once", `GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n${get("/c")}`],
    [
      "an upload in pieces",
      ["POST /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 6\r\n\r\nab", "cd", "ef"],
    ],
    [
      "100-continue",
      ["POST /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", "ab"],
    ],
    ["a large answer", get("/large")],
    ["garbage", "no HTTP at all\r\n\r\n"],
    ["a request that comes octet by octet", [..."GET /a HTTP/1.0\r\n\r\n"]],
  ])("octets for %s", async (_, octets) => {
    const text = `const server = http.createServer((request, response) => {
      if (request.url === "/large") return void response.end("x".repeat(2_000_000));
      let content = "";
      request.on("data", (chunk) => { content += chunk; }).on("end", () => response.end(request.url + content));
    }).listen(0, "127.0.0.1", ${TELL});`;
    expect(String(await compare(text, (port) => talk(port, octets))).length).toBeGreaterThan(20);
  });

  it("upgrades, and what is sent on them", async () => {
    const text = `const server = http.createServer();
    server.on("upgrade", (request, socket, head) => {
      socket.write("HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: echo\\r\\n\\r\\n");
      socket.unshift(head); // on a busy machine, what is sent next is read with the request
      socket.on("data", (chunk) => socket.write(chunk)).on("end", () => socket.end("bye"));
    });
    server.listen(0, "127.0.0.1", ${TELL});`;
    const upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    await compare(text, (port) => talk(port, [upgrade, "one ", "two "], /two /));
  });

  it("streams of events, and clients that leave them", async () => {
    const text = `let told = "nothing";
    const server = http.createServer((request, response) => {
      if (request.url === "/told") return void response.end(told);
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("data: 1\\n\\n");
      setTimeout(() => response.write("data: 2\\n\\n"), 50);
      request.on("aborted", () => { told = "aborted"; });
      response.on("close", () => { told += ", close"; });
    }).listen(0, "127.0.0.1", ${TELL});`;
    const found = await compare(text, async (port) => {
      const events = await talk(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", /data: 2/);
      await new Promise((resolve) => setTimeout(resolve, 200));
      return [events.includes("data: 1"), contentOf(await talk(port, get("/told")))];
    });
    expect(found).toEqual([true, "aborted, close"]);
  });

  it("connections over maxConnections", async () => {
    const text = `let dropped = 0;
    const server = http.createServer((request, response) => request.url === "/wait" || response.end(String(dropped)));
    server.maxConnections = 1;
    server.on("drop", () => dropped++);
    server.listen(0, "127.0.0.1", ${TELL});`;
    await compare(text, async (port) => {
      const first = connect(port, "127.0.0.1");
      first.write("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
      await new Promise((resolve) => setTimeout(resolve, 100));
      const second = connect(port, "127.0.0.1").on("error", () => {});
      second.write(get("/"));
      await closed(second);
      first.destroy();
      await new Promise((resolve) => setTimeout(resolve, 100));
      return contentOf(await talk(port, get("/")));
    });
  });

  it("an address that another server of its own is at", async () => {
    const taken = await lastingPort();
    const text = `const told = [];
    const answer = (request, response) => response.end(JSON.stringify(told));
    const server = http.createServer(answer).listen(${taken}, "127.0.0.1", () => {
      const second = http.createServer((_request, response) => response.end("second"));
      second.on("listening", () => told.push("listens"));
      second.on("error", ({ message, code, address, port }) => told.push([message, code, address, port]));
      second.on("error", ${TELL});
      second.on("listening", ${TELL});
      second.listen(${taken}, "127.0.0.1");
    });`;
    const found = await compare(text, async (port, program) => {
      const before = contentOf(await talk(port, get("/")));
      const [pid] = program.workers();
      if (pid === undefined) return before;
      process.kill(pid, "SIGKILL");
      await expect.poll(() => program.workers()[0]).not.toBe(pid);
      // Once it is there, it listens first, and is told a moment later.
      await expect.poll(async () => contentOf(await talk(port, get("/")))).toBe(before);
      return before;
    });
    expect(found).toContain("EADDRINUSE");
  });

  it("a server that closes, and listens again", async () => {
    const text = `const server = http.createServer((request, response) => {
      response.end("fine");
      if (request.url !== "/again") return;
      const { port } = server.address();
      response.on("close", () => server.close(() => {
        setTimeout(() => server.listen(port, "127.0.0.1"), 300);
      }));
    }).listen(0, "127.0.0.1", ${TELL});`;
    const found = await compare(text, async (port) => {
      await talk(port, get("/again"));
      await new Promise((resolve) => setTimeout(resolve, 150));
      const refused = await once(connect(port, "127.0.0.1"), "error")
        .then(
          () => "connected",
          ({ code }: NodeJS.ErrnoException) => code,
        )
        .catch(() => "?");
      await new Promise((resolve) => setTimeout(resolve, 500));
      return [refused, contentOf(await talk(port, get("/")))];
    });
    expect(found).toMatchObject([expect.anything(), "fine"]);
  });

  it("its own path, where that is a link", async () => {
    const folder = mkdtempSync(join(tmpdir(), "rayguard-linked-"));
    const text = `${HTTP}const server = http.createServer((request, response) => response.end(process.argv[1])).listen(0, "127.0.0.1", ${TELL});`;
    writeFileSync(join(folder, "app.mjs"), text);
    symlinkSync(join(folder, "app.mjs"), join(folder, "linked"));
    for (const start of [{ flags: [join(folder, "linked")] }, { keeper: [join(folder, "linked")] }]) {
      const program = Program.start("other.mjs", "", { ...start, env: ENV });
      const [port = 0] = await program.ports();
      expect(contentOf(await talk(port, get("/")))).toBe(join(folder, "linked"));
    }
    await endPrograms();
    rmSync(folder, { recursive: true });
  });

  it("what it is started with, and how it ends", async () => {
    const text = `const server = http.createServer((request, response) => response.end(JSON.stringify([
      process.argv.slice(2), process.env.MINE, process.env.RAYGUARD_KEPT ?? null, typeof process.send, process.connected,
    ]))).listen(0, "127.0.0.1", ${TELL});
    process.on("message", (message) => process.send(message + 1));
    process.on("SIGTERM", () => server.close(() => process.exit(7)));`;
    const found = [];
    for (const [, start] of WAYS) {
      const env = { ...start.env, MINE: "yes" };
      const program = Program.start("app.mjs", HTTP + text, { ...start, env, args: ["--one", "two"] });
      const [port = 0] = await program.ports();
      const told = contentOf(await talk(port, get("/")));
      program.signal("SIGTERM");
      found.push([told, await program.end()]);
    }
    expect(found[1]).toEqual(found[0]);
    expect(found[1]?.[1]).toBe(7);
  });
});

describe("a kept program listens", { timeout: 60_000 }, () => {
  const PATH = join(tmpdir(), `rayguard-keeper-${process.pid}.sock`);
  afterEach(() => rmSync(PATH, { force: true }));

  const answering = "(request, response) => response.end(String(process.pid))";

  /** Asks before its process is killed, and after. */
  async function survives(program: Program, ask: () => Promise<string>): Promise<void> {
    const before = await ask();
    const pid = await program.worker();
    expect(before).toBe(String(pid));
    process.kill(pid, "SIGKILL");
    await expect.poll(() => program.workers()[0]).not.toBe(pid);
    expect(await ask()).toBe(String(program.workers()[0]));
  }

  it("at a Unix socket", async () => {
    const text = `${HTTP}const server = http.createServer(${answering}).listen(${JSON.stringify(PATH)}, () => process.send(server.address() === ${JSON.stringify(PATH)} ? 1 : 0));`;
    const program = Program.start("app.mjs", text, { keeper: [], env: ENV });
    expect(await program.ports()).toEqual([1]);
    await survives(program, async () => contentOf(await talk(PATH, get("/"))));
  });

  it("at a Unix socket where the program has gone, with the rights that it gives", async () => {
    const found: unknown[] = [];
    for (const [, start] of WAYS) {
      const folder = mkdtempSync(join(tmpdir(), "rayguard-keeper-"));
      const text = `${HTTP}import { readdirSync, statSync } from "node:fs";
        process.chdir(${JSON.stringify(folder)});
        process.umask(0o117);
        const server = http.createServer((request, response) => response.end("fine")).listen("own.sock", () => {
          const again = http.createServer().on("error", ({ message, code, address }) => {
            const rights = (statSync("own.sock").mode & 0o777).toString(8);
            process.send([readdirSync("."), rights, server.address(), message, code, address]);
          }).listen({ path: "own.sock" });
        });`;
      const program = Program.start("app.mjs", text, start);
      found.push(await program.ports());
      expect(contentOf(await talk(join(folder, "own.sock"), get("/")))).toBe("fine");
      await endPrograms();
      rmSync(folder, { recursive: true, force: true });
    }
    expect(found[1]).toEqual(found[0]);
    expect(found[1]).toEqual([
      [["own.sock"], "660", "own.sock", expect.stringContaining("own.sock"), "EADDRINUSE", "own.sock"],
    ]);
  });

  it("at an IPv6 address", async () => {
    const text = `${HTTP}const server = http.createServer(${answering}).listen(0, "::1", ${TELL});`;
    const program = Program.start("app.mjs", text, { keeper: [], env: ENV });
    const [port = 0] = await program.ports();
    await survives(program, async () => contentOf(await talk({ port, host: "::1" }, get("/"))));
  });

  it("at two ports of its own choice", async () => {
    const text = `${HTTP}for (const name of ["one", "two"]) {
      const server = http.createServer((request, response) => response.end(name)).listen(0, "127.0.0.1", ${TELL});
    }`;
    const program = Program.start("app.mjs", text, { keeper: [], env: ENV });
    const ports = await program.ports(2);
    const ask = () => Promise.all(ports.map(async (port) => contentOf(await talk(port, get("/")))));
    expect((await ask()).sort()).toEqual(["one", "two"]);
    const before = await ask();
    process.kill(await program.worker(), "SIGKILL");
    expect(await ask()).toEqual(before);
  });

  it("in a thread, with a socket of its own", async () => {
    const text = `import { parentPort, Worker } from "node:worker_threads";
      ${HTTP}if (parentPort === null) new Worker(new URL(import.meta.url)).on("message", (port) => process.send(port));
      else {
        const server = http.createServer((_request, response) => response.end("fine"));
        server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
      }`;
    const program = Program.start("app.mjs", text, { keeper: ["--ready-ms", "10000"] });
    const [port = 0] = await program.ports();
    await expect.poll(() => program.lines(MESSAGES.workerReady)).toHaveLength(1);
    expect(contentOf(await talk(port, get("/")))).toBe("fine");
    program.signal("SIGTERM");
    expect(await program.end()).toBe("SIGTERM");
  });

  it("over TLS, and over HTTP/2 in the clear and over TLS", async () => {
    const { key, cert } = selfSigned();
    const text = `import http2 from "node:http2";\nimport https from "node:https";
    const tls = ${JSON.stringify({ key, cert })};
    https.createServer(tls, ${answering}).listen(0, "127.0.0.1", function () { process.send(this.address().port);
      http2.createServer(${answering}).listen(0, "127.0.0.1", function () { process.send(this.address().port);
        http2.createSecureServer(tls, ${answering}).listen(0, "127.0.0.1", function () { process.send(this.address().port); });
      });
    });`;
    const program = Program.start("app.mjs", text, { keeper: [], env: ENV });
    const [tls = 0, clear = 0, secure = 0] = await program.ports(3);
    const overHttp2 = async (url: string) => {
      const session = connectHttp2(url, { rejectUnauthorized: false });
      session.on("error", () => {});
      const stream = session.request({ ":path": "/" });
      let content = "";
      for await (const chunk of stream) content += chunk;
      session.destroy();
      return content;
    };
    const ask = async () => {
      const socket = connectTls({ port: tls, host: "127.0.0.1", rejectUnauthorized: false });
      await once(socket, "secureConnect");
      const answers = [contentOf(await talkOn(socket, get("/")))];
      answers.push(await overHttp2(`http://127.0.0.1:${clear}`), await overHttp2(`https://127.0.0.1:${secure}`));
      return answers;
    };
    const pid = await program.worker();
    expect(await ask()).toEqual([String(pid), String(pid), String(pid)]);
    // A connection that only its process could write on ends with that; a new one waits for the next.
    const open = connectTls({ port: tls, host: "127.0.0.1", rejectUnauthorized: false }).on("error", () => {});
    await once(open, "secureConnect");
    const gone = closed(open);
    process.kill(pid, "SIGKILL");
    await gone;
    const [after, ...others] = await ask();
    expect(others).toEqual([after, after]);
    expect(after).not.toBe(String(pid));
  });

  it("with a guard of the app's own, from another copy of the package", async () => {
    const text = `import http from "node:http";
    import { createGuard } from "./copy/src/index.js";
    const server = http.createServer((request, response) => request.url === "/wait" || response.end("fine"));
    createGuard({ logger: false }).attach(server);
    server.listen(0, "127.0.0.1", () => process.send(server.address().port));`;
    const program = Program.start("app.mjs", text, { keeper: [], env: ENV, copies: { copy: "dist" } });
    const [port = 0] = await program.ports();
    const waiting = talk(port, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(contentOf(await talk(port, get("/")))).toBe("fine");
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.kill(await program.worker(), "SIGKILL");
    expect(await waiting).toMatch(/^HTTP\/1\.1 503 /);
  });
});
