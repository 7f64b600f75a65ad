import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { listen } from "./testing/servers.js";

/** What Node refuses, in callbacks in which nobody catches. */
const REFUSED: Record<string, (response: ServerResponse) => unknown> = {
  "end(5)": (response) => response.end(5 as never),
  "end({})": (response) => response.end({} as never),
  "end(text, no encoding)": (response) => response.end("x", "none" as never),
  "write(5)": (response) => response.write(5 as never),
  "setHeader(bad name)": (response) => response.setHeader("a b", "x"),
  "setHeader(no value)": (response) => response.setHeader("a", undefined as never),
  "appendHeader(bad name)": (response) => response.appendHeader("a\n", "x"),
  "setHeaders(5)": (response) => response.setHeaders(5 as never),
  "writeHead(99)": (response) => response.writeHead(99),
  "writeHead(bad reason)": (response) => response.writeHead(200, "a\nb"),
  "writeHead(bad value)": (response) => response.writeHead(200, { a: "b\nc" }),
  "addTrailers(bad name)": (response) => response.addTrailers({ "a b": "c" }),
};

it.each(Object.entries(REFUSED))("%s does not throw once the client of an upload has left", async (_name, call) => {
  const guard = createGuard({ logger: false, shutdown: false, crash: false });
  const server = guard.attach(createServer());
  await listen(server);
  const called = new Promise<unknown>((resolve) => {
    server.on("request", (request, response) => {
      request.on("error", () => {}).resume();
      request.on("close", () => {
        setImmediate(() => {
          try {
            call(response);
            resolve(response.end("late"));
          } catch (error) {
            resolve(error);
          }
        });
      });
    });
  });
  const client = connect((server.address() as AddressInfo).port);
  client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
  await once(server, "request");
  client.end();
  expect(await called).toMatchObject({ writableEnded: true });
  client.destroy();
});
