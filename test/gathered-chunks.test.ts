import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";

const uncaught: unknown[] = [];
const note = (error: unknown) => uncaught.push(error);

/** Two requests on one connection: what comes back for the first, and for the second. */
async function answers(app: RequestListener): Promise<[string, string]> {
  const guard = createGuard({ logger: false, shutdown: false, crash: false });
  const server = createServer(
    guard.listener((request, response) => {
      if (request.url === "/next") response.end("next");
      else app(request, response);
    }),
  );
  guard.attach(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  let seen = "";
  socket.on("data", (octets) => {
    seen += octets.toString("latin1");
  });
  socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const closed = once(socket, "close").then(() => true);
  const isClosed = await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 5_000, false))]);
  socket.destroy();
  server.closeAllConnections();
  server.close();
  guard.close();
  if (!isClosed) return [seen, "never answered"];
  const at = seen.lastIndexOf("HTTP/1.1 ");
  return [seen.slice(0, at), seen.slice(at)];
}

// From Node 26 on, chunks that are written in one turn wait for its end, where Node asserts that chunks are still on.
describe("chunks turned off in the turn in which one was written", () => {
  const WAYS: Record<string, RequestListener> = {
    "ended at once": (_request, response) => {
      response.write("abc");
      response.chunkedEncoding = false;
      response.end("def");
    },
    "ended at once, without content": (_request, response) => {
      response.write("abc");
      response.chunkedEncoding = false;
      response.end();
    },
    "ended later": (_request, response) => {
      response.write("abc");
      response.chunkedEncoding = false;
      setTimeout(() => response.end("def"), 10);
    },
    "written to, and ended later": (_request, response) => {
      response.write("abc");
      response.chunkedEncoding = false;
      response.write("def");
      setTimeout(() => response.end("ghi"), 10);
    },
  };

  const catchAll = () => process.on("uncaughtException", note);
  afterEach(() => {
    process.off("uncaughtException", note);
    uncaught.length = 0;
  });

  it.each(Object.entries(WAYS))("is a fault that the client is told of: %s", async (name, app) => {
    catchAll();
    const [first, second] = await answers(app);
    expect(uncaught, name).toEqual([]);
    expect(first).toMatch(/^HTTP\/1\.1 500 /);
    expect(second).toMatch(/^HTTP\/1\.1 200 .*next$/s);
  });

  it("goes out in the order in which it was written, where the rest is chunks by hand", async () => {
    catchAll();
    const [first, second] = await answers((_request, response) => {
      response.write("abc");
      response.chunkedEncoding = false;
      response.write("3\r\ndef\r\n");
      response.end("0\r\n\r\n");
    });
    expect(uncaught).toEqual([]);
    expect(first).toMatch(/^HTTP\/1\.1 200 .*\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n$/s);
    expect(second).toMatch(/^HTTP\/1\.1 200 .*next$/s);
  });
});
