import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { listen } from "./testing/servers.js";

// An app that destroys a response whose turn has not come: Node destroys the socket with its turn, or not at all.

type Destroy = (response: ServerResponse, request: IncomingMessage) => unknown;

const WAYS: Record<string, Destroy> = {
  "at once": (response) => response.destroy(),
  "with an error": (response) => response.destroy(new Error("of the app")),
  "with content written": (response) => {
    response.write("x");
    response.destroy();
  },
  "with its request read": (response, request) => {
    request.resume().once("end", () => response.destroy());
  },
};

/** What the app is told of two pipelined requests, the second of which it destroys while the first is under way. */
async function events(mode: "bare" | "enforce", destroy: Destroy): Promise<string[]> {
  const told: string[] = [];
  let first: ServerResponse | undefined;
  const server = createServer((request, response) => {
    const number = first === undefined ? 1 : 2;
    for (const event of ["finish", "close", "error"])
      response.on(event, () => told.push(`response ${number} ${event}`));
    for (const event of ["aborted", "close", "error"]) request.on(event, () => told.push(`request ${number} ${event}`));
    if (number === 2) return destroy(response, request);
    first = response;
    request.socket.once("close", () => told.push("socket close"));
  });
  if (mode === "enforce") createGuard({ logger: false }).attach(server);
  await listen(server);
  const client = connect((server.address() as AddressInfo).port).resume();
  client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2));
  await expect.poll(() => first).toBeDefined();
  for (let i = 0; i < 5; i++) await turn();
  told.push("the first is answered");
  first?.end("one");
  // Node from 24 on leaves the connection open.
  if (mode === "enforce" || Number.parseInt(process.versions.node, 10) < 24) await once(client, "close");
  else await expect.poll(() => told).toContain("request 1 close");
  client.destroy();
  await expect.poll(() => told).toContain("response 2 close");
  return told.filter((event) => event !== "socket close");
}

describe("a queued response that is destroyed", () => {
  it.each(Object.entries(WAYS))("tells what Node tells, when it does: %s", async (_way, destroy) => {
    const bare = await events("bare", destroy);
    const guarded = await events("enforce", destroy);
    const upTo = bare.indexOf("request 1 close") + 1;
    expect(guarded.slice(0, upTo)).toEqual(bare.slice(0, upTo));
    // Its request is told what comes of that with its turn, where Node leaves it without an end.
    expect(guarded).toEqual(expect.arrayContaining([...bare, "request 2 close"]));
  });
});

it.each(["bare", "enforce"] as const)("an encoding is unknown only where content goes out: %s", async (mode) => {
  let thrown: unknown = "nothing yet";
  let requests = 0;
  const server = createServer((request, response) => {
    if (++requests === 1) return;
    request.socket.destroy();
    setTimeout(() => {
      try {
        response.end("content", "nonsense" as BufferEncoding);
        thrown = undefined;
      } catch (error) {
        thrown = error;
      }
    }, 5);
  });
  if (mode === "enforce") createGuard({ logger: false }).attach(server);
  await listen(server);
  const client = connect((server.address() as AddressInfo).port).resume();
  client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2));
  await expect.poll(() => thrown).toBeUndefined();
});
