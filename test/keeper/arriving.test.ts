import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { endPrograms, Program } from "../zero-code/program.js";
import { PROGRAMS } from "./programs.js";

afterEach(endPrograms);

const ENV = { RAYGUARD_OPTIONS: '{"logger":false}' };

/** A connection on which one request has been answered, and what comes behind that. */
async function used(port: number): Promise<{ write(octets: string): void; rest: Promise<string> }> {
  const socket = connect(port, "127.0.0.1");
  let received = "";
  const answered = new Promise<void>((resolve) => {
    socket.on("data", (octets) => {
      received += octets.toString("latin1");
      if (/\r\n\r\n\/first/.test(received)) resolve();
    });
  });
  socket.on("error", () => {});
  const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.write("GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
  await answered;
  received = "";
  return { write: (octets) => void socket.write(octets), rest: ended.then(() => received) };
}

/** Answered by another connection behind it, what was sent on this one has been read. */
async function read(port: number): Promise<void> {
  await used(port);
}

describe("a request of which part has arrived", { timeout: 60_000 }, () => {
  it.each(Object.entries(PROGRAMS))("is answered when its process dies: %s", async (_, [file, text]) => {
    const program = Program.start(file, text, { keeper: [], env: ENV });
    const [port = 0] = await program.ports();
    const client = await used(port);
    client.write("POST /second HTTP/1.1\r\nHost: a\r\nContent-");
    await read(port);
    const pid = await program.worker();
    process.kill(pid, "SIGKILL");
    await program.ports(2);
    // Were it a message of its own to the next process, that would answer it.
    client.write("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    const rest = await client.rest;
    expect(rest).toMatch(/^HTTP\/1\.1 503 /);
    expect(rest.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  });

  it("is served when its process retires", async () => {
    const program = Program.start(...PROGRAMS.node, { keeper: [], env: ENV });
    const [port = 0] = await program.ports();
    const client = await used(port);
    client.write("GET /second HTTP/1.1\r\nHost: a\r\n");
    await read(port);
    program.signal("SIGHUP");
    await program.ports(2);
    client.write("Connection: close\r\n\r\n");
    expect(await client.rest).toMatch(/^HTTP\/1\.1 200 .*\r\n\r\n\/second/s);
  });
});

it("a request that has had an interim response is answered when its process dies", async () => {
  const text = `import { createServer } from "node:http";
  const server = createServer((request, response) => {
    if (request.url === "/first") response.end("/first");
    else response.writeEarlyHints({ link: "</style.css>; rel=preload" });
  }).listen(0, "127.0.0.1", () => process.send(server.address().port));`;
  const program = Program.start("app.mjs", text, { keeper: [], env: ENV });
  const [port = 0] = await program.ports();
  const client = await used(port);
  client.write("GET /second HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n");
  await read(port);
  const pid = await program.worker();
  process.kill(pid, "SIGKILL");
  const rest = await client.rest;
  expect(rest).toMatch(/^HTTP\/1\.1 103 [\s\S]*?\r\n\r\nHTTP\/1\.1 503 /);
  expect(rest).toMatch(/content-type: application\/json/i);
});

it("a request that was read with one that ends the process sees its connection end", async () => {
  const text = `import { createServer } from "node:http";
  const server = createServer((request, response) => {
    response.end(request.url + " " + process.pid);
    if (request.url === "/kill") process.kill(process.pid, "SIGKILL");
  }).listen(0, "127.0.0.1", () => process.send(server.address().port));`;
  const program = Program.start("app.mjs", text, { keeper: [], env: ENV });
  const [port = 0] = await program.ports();
  const client = await used(port);
  const head = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
  client.write(head("/kill") + head("/behind"));
  // Nobody is left who has read it: handed on, the connection would be silent.
  expect(await client.rest).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\n\r\n\/kill \d+$/);
});

describe("a connection whose request has been answered goes on with the next process", { timeout: 60_000 }, () => {
  it.each(Object.entries(PROGRAMS))("when its own is killed: %s", async (_, [file, text]) => {
    const program = Program.start(file, text, { keeper: [], env: ENV });
    const [port = 0] = await program.ports();
    const client = await used(port);
    await new Promise((resolve) => setTimeout(resolve, 200)); // it is behind this turn of its event loop
    const pid = await program.worker();
    process.kill(pid, "SIGKILL");
    await program.ports(2);
    client.write("GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(await client.rest).toMatch(/^HTTP\/1\.1 200 .*\r\n\r\n\/second/s);
  });

  it("when its own ends in the same turn of the event loop", async () => {
    const text = `import { createServer } from "node:http";
    const server = createServer((request, response) => {
      if (request.url === "/first") response.once("close", () => process.exit(3));
      response.end(request.url);
    }).listen(0, "127.0.0.1", () => process.send(server.address().port));`;
    const program = Program.start("app.mjs", text, { keeper: [], env: ENV });
    const [port = 0] = await program.ports();
    const client = await used(port);
    await program.ports(2);
    client.write("GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(await client.rest).toMatch(/^HTTP\/1\.1 200 .*\r\n\r\n\/second/s);
  });
});

/** Asks on a connection of its own. @returns status code, `refused` where nobody listens, else how far the response came */
function ask(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let received = "";
    let outcome: string | undefined;
    socket.on("data", (octets) => {
      received += octets.toString("latin1");
    });
    socket.on("error", ({ code }: NodeJS.ErrnoException) => {
      outcome = code === "ECONNREFUSED" ? "refused" : code;
    });
    socket.on("close", () => resolve(outcome ?? /^HTTP\/1\.1 (\d+) /.exec(received)?.[1] ?? "empty"));
    socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  });
}

it.each(Object.entries(PROGRAMS))(
  "who connects as the program ends is served, or refused by the system: %s",
  { timeout: 60_000 },
  async (_, [file, text]) => {
    const program = Program.start(file, text, { keeper: [], env: ENV });
    const [port = 0] = await program.ports();
    const outcomes: string[] = [];
    const client = async () => {
      for (let last = ""; last !== "refused"; outcomes.push(last)) last = await ask(port);
    };
    const clients = Promise.all(Array.from({ length: 24 }, client));
    await expect.poll(() => outcomes.length, { timeout: 20_000, interval: 5 }).toBeGreaterThan(200);
    program.signal("SIGTERM");
    await clients;
    expect(outcomes.filter((outcome) => outcome !== "200" && outcome !== "refused")).toEqual([]);
  },
);
