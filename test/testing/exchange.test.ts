import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { describe, expect, it } from "vitest";
import { exchange } from "../../src/testing/index.js";
import { HELLO, head } from "../parser/streams/stream-case.js";
import { selfSigned } from "./certificate.js";
import { answering, listen, tcp } from "./servers.js";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

function serve(handler: http.RequestListener): Promise<http.Server> {
  return listen(http.createServer(handler));
}

describe("one request", () => {
  it("is answered, and the connection stays open", async () => {
    const result = await exchange(await serve((_request, response) => response.end("hi")), {});
    expect(result).toMatchObject({ valid: true, end: "open", timedOut: false, error: undefined, problems: [] });
    expect(result.responses).toMatchObject([{ status: 200, complete: true, closes: false }]);
    expect(result.responses[0]?.text()).toBe("hi");
    expect(result.octets.length).toBe(result.responses[0]?.end);
    expect(result.firstOctetMs).toBeLessThanOrEqual(result.ms);
  });

  it("arrives as it was given", async () => {
    const server = await serve(async (request, response) => {
      const parts: Buffer[] = await request.toArray();
      response.end(JSON.stringify([request.method, request.url, request.headers["x-a"], String(Buffer.concat(parts))]));
    });
    const result = await exchange(server, {
      method: "PUT",
      path: "/p?q",
      headers: { "X-A": ["1", "2"] },
      body: "caf\u00e9",
    });
    expect(result.responses[0]?.text()).toBe('["PUT","/p?q","1, 2","caf\u00e9"]');
  });

  it("is written octet for octet when given as octets", async () => {
    const received: string[] = [];
    const server = await tcp((socket) => {
      socket.once("data", (octets) => {
        received.push(octets.toString("latin1"));
        socket.write(HELLO);
      });
    });
    await exchange(server, `${GET.slice(0, -2)}X:\xff\0\r\n\r\n`);
    await exchange(server, Buffer.from(GET));
    expect(received).toEqual([`${GET.slice(0, -2)}X:\xff\0\r\n\r\n`, GET]);
  });

  it.each([
    ["HEAD", "1.1", { content: 0, closes: false, end: "open" }],
    ["GET", "1.0", { content: 2, closes: true, end: "fin" }],
  ] as const)("is read after its method and version: %s with HTTP/%s", async (method, version, expected) => {
    const server = await serve((_request, response) => response.end("hi"));
    for (const request of [{ method, version }, `${method} / HTTP/${version}\r\nHost: a\r\n\r\n`]) {
      const { valid, end, responses } = await exchange(server, request);
      expect({ valid, end, closes: responses[0]?.closes }).toEqual({
        valid: true,
        end: expected.end,
        closes: expected.closes,
      });
      expect(responses[0]?.content.length).toBe(expected.content);
    }
  });

  it("waits for the close that a response announces", async () => {
    const server = await answering(head("Connection: close\r\nContent-Length: 0\r\n"), (socket) => {
      setTimeout(() => socket.end(), 60);
    });
    expect(await exchange(server, {}, { keepOpenMs: 0 })).toMatchObject({ valid: true, end: "fin" });
  });

  it("gets content that lasts until the close", async () => {
    const server = await answering(`${head("Connection: close\r\n")}all`, (socket) => socket.end());
    const result = await exchange(server, {});
    expect(result).toMatchObject({ valid: true, end: "fin", responses: [{ framing: "close", complete: true }] });
  });

  it("may end our side, and the server still answers", async () => {
    const server = await tcp((socket) => {
      socket.resume();
      socket.once("end", () => socket.end(HELLO));
    });
    expect(await exchange(server, {}, { halfClose: true })).toMatchObject({ valid: true, end: "fin" });
  });

  it("waits for the close that ours asks for", async () => {
    const server = await answering(HELLO, (socket) => setTimeout(() => socket.end(), 60));
    expect(await exchange(server, {}, { halfClose: true })).toMatchObject({ valid: true, end: "fin" });
  });

  it("may be written in pieces", async () => {
    const server = await serve(async (request, response) => response.end(String((await request.toArray()).join(""))));
    const request = { method: "POST", body: "0123456789" };
    const result = await exchange(server, request, { writes: { chunkOctets: 16, delayMs: 2 } });
    expect(result.valid).toBe(true);
    expect(result.responses[0]?.text()).toBe("0123456789");
    // Host, port and all, it is more than 64 octets: four delays at least.
    expect(result.ms).toBeGreaterThanOrEqual(4);
  });

  it("is written to its end although it is answered early", async () => {
    let received = 0;
    const server = await tcp((socket) => {
      socket.once("data", () => socket.write(HELLO));
      socket.on("data", (octets) => {
        received += octets.length;
      });
    });
    const request = `POST / HTTP/1.1\r\nContent-Length: 500\r\n\r\n${"x".repeat(500)}`;
    await exchange(server, request, { writes: { chunkOctets: 50, delayMs: 1 } });
    expect(received).toBe(request.length);
  });

  it("is not written on when the server is about to close", async () => {
    let received = 0;
    const server = await tcp((socket) => {
      socket.once("data", () => {
        socket.write(head("Connection: close\r\nContent-Length: 0\r\n"));
        setTimeout(() => socket.end(), 300);
      });
      socket.on("data", (octets) => {
        received += octets.length;
      });
    });
    const request = { method: "POST", body: "x".repeat(50_000) };
    const result = await exchange(server, request, { writes: { chunkOctets: 1000, delayMs: 1 }, keepOpenMs: 5000 });
    expect(result).toMatchObject({ valid: true, end: "fin" });
    expect(received).toBeLessThan(50_000);
  });

  it("speaks TLS, to a URL, an address or a server, whoever signed the certificate", async () => {
    const server = await listen(
      https.createServer(selfSigned(), ({ socket }, response) => response.end((socket as TLSSocket).alpnProtocol)),
    );
    const { port } = server.address() as AddressInfo;
    for (const target of [
      `https://localhost:${port}`,
      { port, tls: true },
      { port, tls: { servername: "a" } },
      server,
    ]) {
      const result = await exchange(target, { headers: { Connection: "close" } });
      expect(result).toMatchObject({ valid: true, end: "fin" });
      expect(result.responses[0]?.text()).toBe("http/1.1");
    }
    const strict = await exchange({ port, tls: { rejectUnauthorized: true } }, {});
    expect(strict).toMatchObject({ valid: false, responses: [], problems: [{ code: "no-connection" }] });
  });

  it("finds a server that listens at every address", async () => {
    const server = http.createServer((_request, response) => response.end("hi"));
    await new Promise<void>((resolve) => server.listen(0, resolve));
    expect(await exchange(server, {})).toMatchObject({ valid: true });
    await new Promise((resolve) => server.close(resolve));
  });

  it.skipIf(process.platform === "win32")("finds a server that listens at a path", async () => {
    const server = http.createServer((request, response) => response.end(request.headers.host));
    const path = join(tmpdir(), `rayguard-${process.pid}.sock`);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const { responses } = await exchange(server, {});
    expect(responses[0]?.text()).toBe("localhost");
    await new Promise((resolve) => server.close(resolve));
  });

  it("takes path and Host from a URL", async () => {
    const server = await serve((request, response) => response.end(`${request.headers.host}${request.url}`));
    const { port } = server.address() as AddressInfo;
    const { responses } = await exchange(`http://127.0.0.1:${port}/a?b`, {});
    expect(responses[0]?.text()).toBe(`127.0.0.1:${port}/a?b`);
  });
});

describe("several requests", () => {
  it("go over one connection, each when the response before it is complete", async () => {
    let connections = 0;
    let open = 0;
    let most = 0;
    const server = await serve((request, response) => {
      open += 1;
      most = Math.max(most, open);
      response.on("finish", () => {
        open -= 1;
      });
      setImmediate(() => response.end(request.url));
    });
    server.on("connection", () => {
      connections += 1;
    });
    const result = await exchange(server, [{ path: "/a" }, { path: "/b", method: "HEAD" }, { path: "/c" }]);
    expect(result).toMatchObject({ valid: true, end: "open" });
    expect(result.responses.map((response) => response.text())).toEqual(["/a", "", "/c"]);
    expect({ connections, most }).toEqual({ connections: 1, most: 1 });
  });

  it("are written all at once when pipelined", async () => {
    const server = await tcp((socket) => {
      let seen = "";
      socket.on("data", (octets) => {
        seen += octets;
        if (seen.split("\r\n\r\n").length === 4) socket.write(HELLO.repeat(3));
      });
    });
    const result = await exchange(server, [{}, {}, {}], { pipeline: true });
    expect(result).toMatchObject({ valid: true, problems: [] });
    expect(result.responses).toHaveLength(3);
  });

  it("are found in octets written by hand", async () => {
    const server = await serve((request, response) => response.end(request.method));
    const result = await exchange(server, GET + GET.replace("GET", "HEAD") + GET);
    expect(result.responses.map((response) => response.text())).toEqual(["GET", "", "GET"]);
    expect(result.valid).toBe(true);
  });

  it("end with a response that closes, and the rest are not sent", async () => {
    let requests = 0;
    const server = await serve((_request, response) => {
      requests += 1;
      if (requests === 2) response.setHeader("Connection", "close");
      response.end("hi");
    });
    const result = await exchange(server, [{}, {}, {}]);
    expect(result).toMatchObject({ valid: true, end: "fin", problems: [] });
    expect({ requests, responses: result.responses.length }).toEqual({ requests: 2, responses: 2 });
  });

  it("share the interim responses among themselves", async () => {
    const server = await serve((_request, response) => {
      response.writeEarlyHints({ link: "</a>; rel=preload" }, () => response.end("hi"));
    });
    const { responses } = await exchange(server, [{}, {}]);
    expect(responses.map(({ interim }) => interim)).toMatchObject([[{ status: 103 }], [{ status: 103 }]]);
  });
});
