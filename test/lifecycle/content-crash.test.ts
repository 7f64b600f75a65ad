import { once } from "node:events";
import { createServer } from "node:http";
import http2 from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { createGuard, currentRequest } from "../../src/index.js";
import { listen } from "../testing/servers.js";
import { endPrograms, Program } from "../zero-code/program.js";

// What is thrown where the content of a request is read is of that request, though its octets come long after its handler
// has returned: it is answered at once, and the process ends at once.

afterEach(endPrograms);

const APP = `
import { createServer } from "node:http";
import http2 from "node:http2";
const reads = (request) => {
  let content = "";
  const boom = () => { throw new Error("boom"); };
  if (request.url === "/data") request.on("data", boom);
  if (request.url === "/readable") request.on("readable", () => { if (request.read() !== null) boom(); });
  if (request.url === "/end") request.on("data", (chunk) => (content += chunk)).on("end", () => JSON.parse(content));
};
createServer(reads).listen(0, "127.0.0.1", function () {
  const first = this.address().port;
  http2.createServer(reads).listen(0, "127.0.0.1", function () {
    process.send(first);
    process.send(this.address().port);
  });
});
`;

async function upload(port: number, path: string): Promise<number> {
  const socket = connect(port, "127.0.0.1").setNoDelay(true).setEncoding("latin1");
  socket.write(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n`);
  await wait(20);
  socket.write('{"a');
  await wait(20);
  socket.write('":1');
  const [octets] = (await once(socket, "data")) as [string];
  return Number(octets.slice(9, 12));
}

async function uploadHttp2(port: number, path: string): Promise<number> {
  const session = http2.connect(`http://127.0.0.1:${port}`).on("error", () => {});
  const stream = session.request({ ":path": path, ":method": "POST" }).on("error", () => {});
  stream.write('{"a');
  setTimeout(() => stream.end('":1'), 20);
  const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
  session.destroy();
  return Number(headers[":status"]);
}

it.each(
  ["/data", "/readable", "/end"].flatMap((path) => [
    [path, "HTTP/1.1", 0],
    [path, "HTTP/2", 1],
  ]) as [string, string, 0 | 1][],
)("of %s over %s", async (path, _protocol, at) => {
  const program = Program.start("app.mjs", APP);
  const port = (await program.ports(2))[at] as number;
  const askedAt = performance.now();
  expect(await (at === 0 ? upload : uploadHttp2)(port, path)).toBe(500);
  expect(await program.end()).toBe(1);
  expect(performance.now() - askedAt).toBeLessThan(10_000);
  expect(program.lines("incident")).toMatchObject([{ url: path, code: "UNCAUGHT", action: "replaced" }]);
});

it("is what currentRequest() says as well", async () => {
  const guard = createGuard({ logger: false, trust: "loopback" });
  const seen: unknown[] = [];
  const server = createServer((request, response) => {
    const note = () => seen.push(currentRequest() === request.rayguard);
    request.on("data", note).on("end", () => {
      note();
      response.end();
    });
  });
  await listen(guard.attach(server));
  expect(await upload((server.address() as AddressInfo).port, "/")).toBe(200);
  expect(seen).toEqual([true, true, true]);
  server.closeAllConnections();
});
