import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createGuard, type Guard } from "../src/index.js";
import { parseResponses } from "../src/testing/index.js";

const get = (path: string) => `GET /${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
const post = (path: string) => `POST /${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok`;

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** How a server comes to let its connections end. */
const ENDS: Record<string, (server: Server, guard: Guard) => void> = {
  "server.close()": (server) => void server.close(),
  "guard.drain()": (_server, guard) => void guard.drain({ lameDuckMs: 0, graceMs: 5_000 }),
};

async function serve(listener: RequestListener): Promise<{ server: Server; guard: Guard; socket: Socket }> {
  const guard = createGuard({ logger: false });
  const server = guard.attach(createServer(listener));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, guard, socket: connect((server.address() as AddressInfo).port, "127.0.0.1") };
}

/** Everything the connection shows, read as the answers to so many requests. */
async function answersOn(socket: Socket, requests: number) {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  const asked = Array.from({ length: requests }, () => ({ method: "GET" }));
  const { responses, problems } = parseResponses(Buffer.concat(chunks), { requests: asked, end: "fin" });
  expect(problems).toEqual([]);
  return responses.map((response) => response.text());
}

describe.each(Object.entries(ENDS))(
  "%s under pipelining: every request that the app is given is answered",
  (_name, end) => {
    it.each([
      ["in one piece", [get("1") + get("2") + get("3")]],
      ["in one piece, with content", [post("1") + post("2") + post("3")]],
      ["one by one", [get("1"), get("2"), get("3")]],
    ])("sent %s, the first answered last", async (_how, pieces) => {
      const given: string[] = [];
      let first: ServerResponse | undefined;
      const { server, guard, socket } = await serve((request, response) => {
        given.push(request.url ?? "");
        if (given.length === 1) {
          first = response;
          end(server, guard);
        } else response.end(`r${given.length}`);
        if (given.length === 3) setImmediate(() => first?.end("r1"));
        else if (pieces.length > 1) socket.write(pieces[given.length] as string);
      });
      socket.write(pieces[0] as string);
      expect(await answersOn(socket, 3)).toEqual(["r1", "r2", "r3"]);
      expect(given).toEqual(["/1", "/2", "/3"]);
    });

    it.each([
      ["answered at once", (response: ServerResponse, n: number) => void response.end(`r${n}`)],
      [
        "with a header section of its own",
        (response: ServerResponse, n: number) => void response.writeHead(200).end(`r${n}`),
      ],
    ])("sent in one piece, each %s", async (_how, answer) => {
      for (const request of [get, post]) {
        let given = 0;
        const { server, guard, socket } = await serve((_request, response) => {
          if (++given === 1) end(server, guard);
          answer(response, given);
        });
        socket.write(request("1") + request("2") + request("3"));
        expect(await answersOn(socket, 3)).toEqual(["r1", "r2", "r3"]);
      }
    });

    it("the first fails, and the others are answered", async () => {
      let given = 0;
      const { server, guard, socket } = await serve((_request, response) => {
        if (++given > 1) return void response.end(`r${given}`);
        end(server, guard);
        throw new Error("told");
      });
      socket.write(get("1") + get("2") + get("3"));
      const [first, ...others] = await answersOn(socket, 3);
      expect(first).toContain("500");
      expect(others).toEqual(["r2", "r3"]);
    });
  },
);

it("server.close(): alone on its connection, a response says close", async () => {
  for (const request of [get("1"), post("1")]) {
    const { server, socket } = await serve((_request, response) => {
      server.close();
      response.end("ok");
    });
    socket.write(request);
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toMatch(/^connection: close\r$/im);
  }
});
