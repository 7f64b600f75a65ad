import { createServer, type ServerResponse } from "node:http";
import { describe, expect, it, vi } from "vitest";
import { createGuard } from "../src/index.js";
import { Wire } from "./helpers/wire.js";
import { listen } from "./testing/servers.js";

const REQUESTS = {
  "HTTP/1.0": "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
  "Connection: close": "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
};

const WAYS: Record<string, (response: ServerResponse) => unknown> = {
  "Content-Length": (response) => response.setHeader("Content-Length", 2).end("ok"),
  "Connection: keep-alive": (response) => response.writeHead(200, { Connection: "keep-alive" }).end("ok"),
  "no content": (response) => response.writeHead(204).end(),
};

describe.each(Object.entries(REQUESTS))("shouldKeepAlive set by the app, in answer to %s (CX-2)", (_what, request) => {
  async function ask(answer: (response: ServerResponse) => unknown, mode: "enforce" | "report" = "enforce") {
    const codes: string[] = [];
    const note = (record: { code?: string; action?: string }) => {
      if (record.action !== undefined) codes.push(`${record.code} ${record.action}`);
    };
    const server = createServer((_request, response) => {
      response.shouldKeepAlive = true;
      answer(response);
    });
    createGuard({ mode, logger: { info: note, warn: note, error: note } }).attach(server);
    const { port } = (await listen(server)).address() as { port: number };
    const wire = await Wire.open(port);
    wire.send(request);
    await wire.answers(1);
    return { wire, codes };
  }

  it.each(Object.keys(WAYS))("does not keep the connection open: %s", async (way) => {
    const { wire, codes } = await ask(WAYS[way] as (typeof WAYS)[string]);
    expect(await wire.ended()).toBe(true);
    const { responses, problems, end } = wire.finish();
    expect({ problems, end, connection: responses[0]?.field("connection") }).toEqual({
      problems: [],
      end: "fin",
      connection: "close",
    });
    expect(codes.filter((code) => code === "CX-2 repaired")).toHaveLength(1);
  });

  it("is told in report mode, and changes nothing", async () => {
    const { wire, codes } = await ask((response) => response.setHeader("Content-Length", 2).end("ok"), "report");
    expect(wire.reader.responses[0]?.field("connection")).toBe("keep-alive");
    expect(codes).toContain("CX-2 reported");
    wire.finish();
  });
});

it("shouldKeepAlive set by the app keeps a connection open where the client asks for it", async () => {
  const server = createServer((_request, response) => {
    response.shouldKeepAlive = true;
    response.setHeader("Content-Length", 2).end("ok");
  });
  createGuard({ logger: false }).attach(server);
  const { port } = (await listen(server)).address() as { port: number };
  const wire = await Wire.open(port);
  for (const n of [1, 2]) {
    wire.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    expect(await wire.answers(n)).toBe(true);
  }
  expect(wire.finish().responses).toHaveLength(2);
});

describe.each([
  [
    "content of the length it announced",
    (response: ServerResponse) => response.setHeader("Content-Length", 2).write("ok"),
  ],
  ["no content", (response: ServerResponse) => response.writeHead(204).flushHeaders()],
])("a response that lacks only its end: %s", (_name, answer) => {
  async function ask(what: "response" | "request" | "socket", error?: Error) {
    const found: unknown[] = [];
    const server = createServer((request, response) => {
      const { destroyed, writable, errored } = request.socket;
      found.push({ destroyed, writable, errored });
      if (request.url === "/next") return void response.end("next");
      answer(response);
      const destroys = { request, response, socket: request.socket }[what];
      setTimeout(() => destroys.destroy(error), 40);
    });
    createGuard({ logger: false, shutdown: false, crash: false }).attach(server);
    const { port } = (await listen(server)).address() as { port: number };
    const wire = await Wire.open(port);
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await wire.answers(1)).toBe(true);
    const open = () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count)));
    const closed = () => vi.waitFor(async () => expect(await open()).toBe(0));
    return { wire, found, closed };
  }

  it.each([
    ["response", undefined],
    ["response", new Error("the source has failed")],
    ["request", undefined],
    ["request", new Error("the source has failed")],
  ] as const)(
    "leaves the next request a connection like any other, where the app destroys its %s: %s",
    async (what, error) => {
      const { wire, found, closed } = await ask(what, error);
      await new Promise((resolve) => setTimeout(resolve, 80));
      wire.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
      expect(await wire.answers(2)).toBe(true);
      expect(found[1]).toEqual(found[0]);
      expect(wire.finish().responses.at(1)?.text()).toBe("next");
      await closed();
    },
  );

  it.each([undefined, new Error("enough")])(
    "ends the connection where the app destroys its socket: %s",
    async (error) => {
      const { wire, closed } = await ask("socket", error);
      expect(await wire.ended()).toBe(true);
      expect(wire.finish()).toMatchObject({ problems: [], end: "fin" });
      await closed();
    },
  );
});
