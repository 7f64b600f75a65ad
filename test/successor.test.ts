import { rmSync } from "node:fs";
import { Agent, createServer, get } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn, setTimeout as wait } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { FRAMEWORKS, start } from "./helpers/told.js";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function answerOf(agent: Agent, at: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ agent, ...at }, (response) => {
      let text = "";
      response.setEncoding("latin1");
      response.on("data", (part) => {
        text += part;
      });
      response.on("end", () => resolve(text));
    });
    request.on("error", reject);
  });
}

async function listening(server: ReturnType<typeof createServer>, ...at: unknown[]): Promise<void> {
  await new Promise<void>((resolve) => server.listen(...(at as [number]), resolve));
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  await nextTurn();
}

describe.each(FRAMEWORKS)("a server of %s that has been closed", (framework) => {
  it("keeps its connections as before where it listens again", async () => {
    for (const guarding of ["bare", "report", "enforce"] as const) {
      const { server, port } = await start(framework, guarding, (_req, res) => res.end("fine"));
      const [before, after] = [new Agent({ keepAlive: true }), new Agent({ keepAlive: true, maxSockets: 1 })];
      closing.push(
        () => before.destroy(),
        () => after.destroy(),
      );
      expect(await answerOf(before, { port, host: "127.0.0.1" })).toBe("fine");
      await nextTurn();

      server.close();
      await listening(server, port, "127.0.0.1");
      const ports = new Set<number | undefined>();
      server.on("connection", (socket: Socket) => ports.add(socket.remotePort));
      for (let n = 0; n < 3; n++) {
        expect(await answerOf(after, { port, host: "127.0.0.1" })).toBe("fine");
        await wait(400);
      }
      expect(ports.size, guarding).toBe(1);
    }
  });
});

describe.each(FRAMEWORKS)("another server that listens where one of %s has been closed", (framework) => {
  it.each([
    ["as that is closed", 0],
    ["a little later", 60],
  ])("gets the next request of a client that keeps its connection: %s", async (_when, laterMs) => {
    for (const guarding of ["bare", "report", "enforce"] as const) {
      const old = await start(framework, guarding, (_req, res) => res.end("old"));
      const agent = new Agent({ keepAlive: true });
      closing.push(() => agent.destroy());
      const at = { port: old.port, host: "127.0.0.1" };
      expect(await answerOf(agent, at)).toBe("old");
      await nextTurn();

      old.server.close();
      if (laterMs > 0) await wait(laterMs);
      await listening(
        createServer((_req, res) => res.end("new")),
        old.port,
        "127.0.0.1",
      );
      expect(await answerOf(agent, at), guarding).toBe("new");
    }
  });

  it("does not take the answers from requests that have begun to arrive, or wait for theirs", async () => {
    const answers: (() => void)[] = [];
    const old = await start(framework, "enforce", (_req, res) => void answers.push(() => res.end("old")));
    const ofWaiting = dial(old.port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    while (answers.length === 0) await wait(5);
    const ofArriving = dial(old.port, "GET / HTTP/1.1\r\nHo");
    await wait(30);

    old.server.close();
    await listening(
      createServer((_req, res) => res.end("new")),
      old.port,
      "127.0.0.1",
    );
    await wait(30);
    ofArriving.send("st: a\r\n\r\n");
    while (answers.length < 2) await wait(5);
    for (const answer of answers) answer();
    for (const client of [ofWaiting, ofArriving]) {
      const octets = await client.received;
      expect(octets).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      expect(octets).toMatch(/\r\nConnection: close\r\n/i);
      expect(octets).toMatch(/\r\n\r\nold$/);
    }
  });

  it("does not end idle connections where it listens elsewhere", async () => {
    const old = await start(framework, "enforce", (_req, res) => res.end("old"));
    const client = dial(old.port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    while (!client.octets().endsWith("old")) await wait(5);
    old.server.close();
    await listening(createServer(), 0, "127.0.0.1");
    // It may be on its way, as far as anybody knows.
    await wait(60);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect((await client.received).match(/200 OK/g)).toHaveLength(2);
  });
});

it("holds for a path, and for an address of every interface", async () => {
  const path = join(tmpdir(), `rayguard-successor-${process.pid}`);
  for (const [first, second, at] of [
    [[path], [path], { socketPath: path }],
    [[0], ["127.0.0.1"], { host: "127.0.0.1" }],
    [[0, "127.0.0.1"], [], { host: "127.0.0.1" }],
  ] as const) {
    rmSync(path, { force: true });
    const guard = createGuard({ logger: false, shutdown: false, crash: false });
    closing.push(() => guard.close());
    const old = guard.attach(createServer((_req, res) => res.end("old")));
    await listening(old, ...first);
    const port = "socketPath" in at ? undefined : (old.address() as AddressInfo).port;
    const agent = new Agent({ keepAlive: true });
    closing.push(() => agent.destroy());
    expect(await answerOf(agent, { ...at, port })).toBe("old");
    await nextTurn();
    old.close();
    await listening(
      createServer((_req, res) => res.end("new")),
      ...(port === undefined ? second : [port, ...second]),
    );
    expect(await answerOf(agent, { ...at, port })).toBe("new");
  }
});

/** A client that keeps all that it receives. */
function dial(port: number, octets: string) {
  const client = connect(port, "127.0.0.1");
  closing.push(() => client.destroy());
  client.setEncoding("latin1");
  let text = "";
  client.on("data", (part) => {
    text += part;
  });
  const received = new Promise<string>((resolve, reject) => {
    client.on("end", () => resolve(text));
    client.on("error", reject);
  });
  client.write(octets);
  return { received, octets: () => text, send: (more: string) => void client.write(more) };
}
