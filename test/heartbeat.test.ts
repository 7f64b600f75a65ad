import { createServer, type RequestListener, type ServerResponse } from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createGuard, type GuardOptions } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

async function contentOf(
  listener: RequestListener,
  options: GuardOptions = {},
): Promise<{ text: string; valid: boolean }> {
  const guard = createGuard({ logger: false, idleDeadlineMs: 60, heartbeatMs: 30, ...options });
  const server = await listen(guard.attach(createServer(listener)));
  const { responses, valid } = await exchange(server, { path: "/" }, { timeoutMs: 2_000 });
  guard.close();
  return { text: responses[0]?.text() ?? "", valid };
}

const EVENTS = { "Content-Type": "text/event-stream" };

it("is sent over HTTP/2 as well", async () => {
  const guard = createGuard({ logger: false, idleDeadlineMs: 60, heartbeatMs: 30 });
  const server = http2.createServer(async (_request, response) => {
    response.writeHead(200, EVENTS);
    response.write("data: 1\n\n");
    await wait(200);
    response.end("data: 2\n\n");
  });
  await listen(guard.attach(server));
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const stream = client.request({ ":path": "/" });
  let text = "";
  for await (const octets of stream) text += octets;
  client.destroy();
  guard.close();
  expect(text).toMatch(/^data: 1\n\n(?::\n\n){2,8}data: 2\n\n$/);
});

describe("a silent event stream", () => {
  it("is kept alive by comments between events, past the idle deadline", async () => {
    const { text, valid } = await contentOf(async (_request, response) => {
      response.writeHead(200, EVENTS).write("data: 1\n\n");
      await wait(200);
      response.end("data: 2\n\n");
    });
    expect(valid).toBe(true);
    expect(text).toMatch(/^data: 1\n\n(?::\n\n){2,8}data: 2\n\n$/);
  });

  it("is kept alive before its first event", async () => {
    const { text } = await contentOf(async (_request, response) => {
      response.writeHead(200, EVENTS).flushHeaders();
      await wait(150);
      response.end("data: 1\n\n");
    });
    expect(text).toMatch(/^(?::\n\n)+data: 1\n\n$/);
  });

  it.each<[string, (response: ServerResponse) => unknown]>([
    ["in two writes", (response) => response.write("data: 1\n") && response.write("\n")],
    ["and nothing behind it", (response) => response.write("data: 1\n\n") && response.write("")],
    [
      "and what is no content",
      (response) => {
        response.write("data: 1\n\n");
        expect(() => response.write(null)).toThrow();
      },
    ],
    [
      "in a buffer with something else in it by then",
      (response) => {
        const buffer = Buffer.from("data: 1\n\n");
        response.write(buffer, () => buffer.fill("x"));
      },
    ],
  ])("is kept alive behind an event that was written %s", async (_what, write) => {
    const { text, valid } = await contentOf(async (_request, response) => {
      write(response.writeHead(200, EVENTS));
      await wait(200);
      response.end("data: 2\n\n");
    });
    expect(valid).toBe(true);
    expect(text).toMatch(/^data: 1\n\n(?::\n\n){2,8}data: 2\n\n$/);
  });

  it("gets no comment in the middle of an event", async () => {
    const { text, valid } = await contentOf(async (_request, response) => {
      response.writeHead(200, EVENTS).write(Buffer.from("data: 1"));
      await wait(150);
      response.end("\n\n");
    });
    expect(valid).toBe(true);
    expect(text).toBe("data: 1\n\n");
  });

  it.each<[string, Record<string, string>, GuardOptions]>([
    ["another content type", { "Content-Type": "text/plain" }, {}],
    ["a content coding", { ...EVENTS, "Content-Encoding": "gzip" }, {}],
    ["no heartbeatMs", EVENTS, { heartbeatMs: false }],
  ])("is torn down at the idle deadline with %s", async (_what, headers, options) => {
    const { valid, text } = await contentOf((_request, response) => {
      response.writeHead(200, headers).flushHeaders();
    }, options);
    expect(valid).toBe(false);
    expect(text).toBe("");
  });
});
