import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { listen } from "./testing/servers.js";

const { captureStackTrace } = Error;
afterEach(() => {
  Error.captureStackTrace = captureStackTrace;
});

/** A look at who is running costs as much as the rest of an exchange: what every connection comes to needs none. */
describe("a connection that has come to its end", () => {
  it.each([
    ["by its client", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", true],
    ["by its server", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false],
    ["with HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", false],
  ])("%s is asked for no stack", async (_, request, isEndedByClient) => {
    let looks = 0;
    Error.captureStackTrace = (...args) => {
      looks++;
      captureStackTrace(...args);
    };
    const server = createServer((_request, response) => void response.end("done"));
    createGuard({ logger: false }).attach(server);
    const closed = once(server, "connection").then(([socket]) => once(socket, "close"));
    const { port } = (await listen(server)).address() as AddressInfo;
    const client = connect(port, "127.0.0.1");
    client.write(request);
    await once(client, "data");
    if (isEndedByClient) client.end();
    await closed;
    client.destroy();
    expect(looks).toBe(0);
  });
});
