import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { Wire } from "./helpers/wire.js";
import { listen } from "./testing/servers.js";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

const ANSWERS: Record<string, RequestListener> = {
  "as a whole": (_request, response) => void response.end("ok"),
  "in pieces": (_request, response) => {
    response.write("o");
    setImmediate(() => response.end("k"));
  },
  "that closes": (request, response) => {
    if (request.headers.connection === "close") response.setHeader("Connection", "close");
    response.end("ok");
  },
};

describe.each(["enforce", "report"] as const)("a connection that outlives its guard, in mode %s", (mode) => {
  it.each(Object.entries(ANSWERS))("goes on to carry responses: one %s", async (_what, listener) => {
    const guard = createGuard({ mode, logger: false });
    const server = createServer(listener);
    guard.attach(server);
    await listen(server);
    const wire = await Wire.open((server.address() as AddressInfo).port);
    wire.send(GET);
    await wire.answers(1);
    guard.close();
    wire.send(GET);
    await wire.answers(2);
    wire.send(GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    expect(await wire.ended()).toBe(true);
    const { responses, problems } = wire.finish();
    expect(problems).toEqual([]);
    expect(responses.map(({ content }) => content.toString())).toEqual(["ok", "ok", "ok"]);
  });
});
