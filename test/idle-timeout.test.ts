import { once } from "node:events";
import { createServer, type Server } from "node:http";
import http2 from "node:http2";
import { type AddressInfo, connect, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { FRAMEWORKS, start } from "./helpers/told.js";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const TIMEOUT_MS = 50;

/** Longer than that, the process looks at nothing. */
function isBusy(): void {
  const until = Date.now() + 5 * TIMEOUT_MS;
  while (Date.now() < until);
}

const HTTP1 = `
  let received = "";
  const client = require("node:net").connect(port, "127.0.0.1").setEncoding("latin1");
  client.on("data", (part) => { if ((received += part).endsWith("answer")) tell(received); });
  client.on("error", ({ code }) => tell(code));
  client.on("end", () => tell("FIN"));
  client.write("GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n");`;

const HTTP2 = `
  let received = "";
  const client = require("node:http2").connect("http://127.0.0.1:" + port);
  client.on("error", ({ code }) => tell(code));
  const stream = client.request().setEncoding("latin1");
  stream.on("data", (part) => { received += part; });
  stream.on("error", ({ code }) => tell(code));
  stream.on("close", () => tell(received));`;

/** A client with an event loop of its own, which sends at once. @returns what it received, or the code of its error */
async function visit(port: number, client: string): Promise<string> {
  const source = `const { parentPort, workerData: port } = require("node:worker_threads");
    const tell = (how) => parentPort.postMessage(how);${client}`;
  const worker = new Worker(source, { eval: true, workerData: port });
  const [message] = (await once(worker, "message")) as [string];
  await worker.terminate();
  return message;
}

describe.each(FRAMEWORKS)("a request to %s that has arrived while the process was busy", (framework) => {
  it("is answered, though the timeout of its connection is over", async () => {
    for (const guarding of ["bare", "enforce"] as const) {
      const running = await start(framework, guarding, (_req, res) => res.end("answer"));
      closing.push(running.close);
      running.server.setTimeout(TIMEOUT_MS);
      running.server.on("connection", isBusy);
      const received = await visit(running.port, HTTP1);
      if (guarding === "bare") expect(received).toBe("ECONNRESET");
      else expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    }
  });
});

it("is answered over HTTP/2", async () => {
  for (const guarding of ["bare", "enforce"] as const) {
    const server = http2.createServer((_req, res) => res.end("answer"));
    if (guarding === "enforce") {
      const guard = createGuard({ logger: false, shutdown: false, crash: false });
      guard.attach(server);
      closing.push(() => guard.close());
    }
    server.setTimeout(TIMEOUT_MS);
    server.on("session", isBusy);
    await once(server.listen(0, "127.0.0.1"), "listening");
    closing.push(() => server.close());
    const received = await visit((server.address() as AddressInfo).port, HTTP2);
    if (guarding === "bare") expect(received).not.toBe("answer");
    else expect(received).toBe("answer");
  }
});

describe("a connection that nothing arrives on", () => {
  async function serve(guarding: "bare" | "report" | "enforce", use: (server: Server) => void): Promise<number> {
    const server = createServer((_req, res) => res.end("answer"));
    if (guarding !== "bare") {
      const guard = createGuard({ logger: false, shutdown: false, crash: false, mode: guarding });
      guard.attach(server);
      closing.push(() => guard.close());
    }
    use(server);
    await once(server.listen(0, "127.0.0.1"), "listening");
    closing.push(() => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    return (server.address() as AddressInfo).port;
  }

  it("is closed at its timeout, of which the app is told once", async () => {
    const all: unknown[] = [];
    for (const guarding of ["bare", "report", "enforce"] as const) {
      const told: string[] = [];
      const accepted = new Promise<Socket>((resolve) => {
        void serve(guarding, (server) => {
          server.setTimeout(TIMEOUT_MS);
          server.on("connection", (socket) => {
            resolve(socket);
            for (const event of ["timeout", "error", "end", "close"]) socket.on(event, () => told.push(event));
          });
        }).then((port) => {
          const client = connect(port, "127.0.0.1").on("error", () => {});
          closing.push(() => client.destroy());
        });
      });
      await once(await accepted, "close");
      all.push(told);
    }
    expect(all).toEqual(Array(3).fill(["timeout", "close"]));
  });

  it("stays where the app listens for timeouts of its server", async () => {
    const all: unknown[] = [];
    for (const guarding of ["bare", "report", "enforce"] as const) {
      const told: boolean[] = [];
      const port = await serve(guarding, (server) => {
        server.setTimeout(TIMEOUT_MS, (socket) => void told.push(socket.destroyed));
      });
      const client = connect(port, "127.0.0.1").setEncoding("latin1");
      closing.push(() => client.destroy());
      await wait(6 * TIMEOUT_MS);
      client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      const [text] = (await once(client, "data")) as [string];
      all.push([told, text.slice(0, 15)]);
    }
    expect(all).toEqual(Array(3).fill([[false], "HTTP/1.1 200 OK"]));
  });
});
