import { once } from "node:events";
import { createServer, type Server, ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { setImmediate as turn, setTimeout as wait } from "node:timers/promises";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, it } from "vitest";
import { createGuard, type GuardOptions } from "../src/index.js";

// Some apps write their response to the socket themselves: gateways, ports of CGI programs, whoever passes on the octets
// of another server. Where it can be read it is their answer.

const OK = "HTTP/1.1 200 OK\r\n";
const PIECE = "x".repeat(65_536);

type Write = (socket: Socket) => unknown;

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A server whose requests, or upgrades, are answered on the socket. */
async function serve(write: Write, options: GuardOptions = {}): Promise<{ server: Server; codes: string[] }> {
  const codes: string[] = [];
  const tell = (record: object) => {
    const { code } = record as { code?: string };
    if (code !== undefined) codes.push(code);
  };
  const logger = { info: tell, warn: tell, error: tell };
  const guard = createGuard({ logger, shutdown: false, crash: false, ...options });
  const server = createServer((request, response) => {
    if (request.url === "/next") response.end("next");
    else if (request.url === "/slow") setTimeout(() => response.end("first"), 150);
    else void write(request.socket);
  });
  server.on("upgrade", (_request, socket) => void write(socket as Socket));
  guard.attach(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  closing.push(() => {
    server.close().closeAllConnections();
    guard.close();
  });
  return { server, codes };
}

const NEXT = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
const REQUESTS = {
  "a request": "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "an upgrade": "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
} as const;

interface Client {
  readonly socket: Socket;
  readonly octets: () => string;
  readonly firstAt: () => number;
  /** "FIN", "RST", or nothing while the connection stands. */
  readonly end: () => string;
}

function open(server: Server, request: string): Client {
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  let octets = "";
  let firstAt = 0;
  let end = "";
  const at = performance.now();
  socket.on("data", (data: Buffer) => {
    firstAt ||= performance.now() - at;
    octets += data.toString("latin1");
  });
  socket.on("end", () => {
    end ||= "FIN";
  });
  socket.on("error", () => {
    end ||= "RST";
  });
  socket.write(request);
  closing.push(() => socket.destroy());
  return { socket, octets: () => octets, firstAt: () => firstAt, end: () => end };
}

const content = (client: Client) => client.octets().slice(client.octets().indexOf("\r\n\r\n") + 4);

async function inPieces(socket: Socket, head: string, pieces: number, frame: (piece: string) => string, last: string) {
  socket.write(OK + head);
  for (let n = 0; n < pieces; n++) {
    if (!socket.write(frame(PIECE))) await once(socket, "drain");
  }
  if (last !== "") socket.write(last);
}

describe.each(Object.keys(REQUESTS) as (keyof typeof REQUESTS)[])(
  "a response that an app writes to %s by hand",
  (kind) => {
    const ask = (server: Server) => open(server, REQUESTS[kind]);

    it.each([
      ["with a length", `Content-Length: ${40 * PIECE.length}\r\n\r\n`, (piece: string) => piece, ""],
      [
        "in chunks",
        "Transfer-Encoding: chunked\r\n\r\n",
        (piece: string) => `10000\r\n${piece}\r\n`,
        "0\r\nX-A: b\r\n\r\n",
      ],
    ])("%s is sent whole, however long it is", async (_what, head, frame, last) => {
      const { server, codes } = await serve((socket) => inPieces(socket, head, 40, frame, last));
      const client = ask(server);
      const length = 40 * frame(PIECE).length + last.length;
      await expect.poll(() => content(client).length, { timeout: 5_000 }).toBe(length);
      expect(client.octets()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      expect(content(client).slice(-20)).toBe((frame(PIECE) + last).slice(-20));
      expect(codes).toEqual([]);
      if (kind === "an upgrade") return;
      client.socket.write(NEXT);
      await expect.poll(() => content(client).slice(length)).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*next$/);
    });

    it("that ends with the connection is sent whole, however much is written at once", async () => {
      const { server, codes } = await serve((socket) => {
        socket.write(`${OK}\r\n`);
        for (let n = 0; n < 40; n++) socket.write(PIECE);
        socket.end();
      });
      const client = ask(server);
      await expect.poll(client.end, { timeout: 5_000 }).toBe("FIN");
      expect(content(client).length).toBe(40 * PIECE.length);
      expect(codes).toEqual([]);
    });

    it.each([
      ["with a length", "Content-Length: 9\r\n\r\n", (piece: string) => piece, ""],
      ["in chunks", "Transfer-Encoding: chunked\r\n\r\n", (piece: string) => `3\r\n${piece}\r\n`, "0\r\n\r\n"],
      ["to the end of the connection", "\r\n", (piece: string) => piece, "end"],
    ])("%s goes out as it is written", async (_what, head, frame, last) => {
      const { server, codes } = await serve(async (socket) => {
        socket.write(OK + head);
        for (const piece of ["abc", "def", "ghi"]) {
          socket.write(frame(piece));
          await wait(150);
        }
        if (last === "end") socket.end();
        else if (last !== "") socket.write(last);
      });
      const client = ask(server);
      await expect.poll(() => content(client)).toBe(frame("abc"));
      await expect.poll(() => content(client)).toBe(frame("abc") + frame("def"));
      await expect.poll(() => content(client)).toContain(frame("ghi"));
      if (last === "end") await expect.poll(client.end).toBe("FIN");
      else await expect.poll(() => content(client)).toBe(frame("abc") + frame("def") + frame("ghi") + last);
      expect(codes).toEqual([]);
      if (kind === "an upgrade" || last === "end") return;
      const { length } = content(client);
      client.socket.write(NEXT);
      await expect.poll(() => content(client).slice(length)).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*next$/);
    });

    it("makes its app wait for the recipient", async () => {
      let waits = 0;
      let most = 0;
      const { server } = await serve(async (socket) => {
        socket.write(`${OK}Content-Length: ${400 * PIECE.length}\r\n\r\n`);
        await wait(60);
        for (let n = 0; n < 400; n++) {
          if (!socket.write(PIECE)) {
            waits++;
            most = Math.max(most, socket.writableLength);
            await once(socket, "drain");
          }
        }
      });
      const client = ask(server);
      client.socket.pause();
      await wait(300);
      client.socket.resume();
      await expect.poll(() => content(client).length, { timeout: 10_000 }).toBe(400 * PIECE.length);
      expect(waits).toBeGreaterThan(0);
      expect(most).toBeLessThan(4 * PIECE.length);
    });

    it.each([
      ["with a length", "Content-Length: 9\r\n\r\nabc"],
      ["in chunks", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"],
    ])("%s that its app breaks off is a visible break", async (_what, head) => {
      const { server, codes } = await serve(async (socket) => {
        socket.write(OK + head);
        await wait(80);
        socket.end();
      });
      const client = ask(server);
      await expect.poll(client.end).not.toBe("");
      expect(client.octets()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      expect(client.octets()).not.toMatch(/0\r\n\r\n$/);
      expect(codes).toEqual(["MC-2"]);
    });

    it("with chunks that go wrong on the way is a visible break", async () => {
      const { server, codes } = await serve(async (socket) => {
        socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`);
        await wait(80);
        socket.write("no chunk\r\n0\r\n\r\n");
      });
      const client = ask(server);
      await expect.poll(client.end).not.toBe("");
      expect(client.octets()).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*3\r\nabc\r\n$/);
      expect(codes).toEqual(["RAW_WRITE"]);
    });

    it("with more content than it has announced ends with what was announced", async () => {
      const { server, codes } = await serve(async (socket) => {
        socket.write(`${OK}Content-Length: 6\r\n\r\nabc`);
        await wait(80);
        socket.write("defghi");
      });
      const client = ask(server);
      await expect.poll(() => content(client)).toBe("abcdef");
      await wait(50);
      expect(content(client)).toBe("abcdef");
      expect(codes).toEqual(["RAW_WRITE"]);
    });

    it("is over with its last octet, whatever is written behind that", async () => {
      const { server } = await serve(async (socket) => {
        socket.write(`${OK}Content-Length: 6\r\n\r\nabc`);
        await wait(80);
        socket.write("def");
        socket.write(`${OK}Content-Length: 3\r\n\r\nxyz`);
      });
      const client = ask(server);
      await expect.poll(() => content(client)).toBe("abcdef");
      await wait(50);
      expect(content(client)).toBe("abcdef");
      expect(client.end()).not.toBe("RST");
    });

    it("that never ends is broken off at the deadline for its next octets", async () => {
      const { server, codes } = await serve(
        (socket) => socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`),
        { idleDeadlineMs: 300 },
      );
      const client = ask(server);
      await expect.poll(client.end, { timeout: 3_000 }).not.toBe("");
      expect(content(client)).toBe("3\r\nabc\r\n");
      expect(codes).toEqual(["MC-10"]);
    });

    it("is no incident where its client leaves", async () => {
      let isClosed = false;
      const { server, codes } = await serve(async (socket) => {
        socket
          .on("error", () => {})
          .on("close", () => {
            isClosed = true;
          });
        socket.write(`${OK}Content-Length: 100\r\n\r\nabc`);
      });
      const client = ask(server);
      await expect.poll(() => content(client)).toBe("abc");
      client.socket.resetAndDestroy();
      await expect.poll(() => isClosed).toBe(true);
      await turn();
      expect(codes).toEqual([]);
    });

    describe.each(["with a length", "in chunks", "to the end of the connection"])("%s", (framing) => {
      const [field, octets] = {
        "with a length": ["Content-Length: 3", "abc"],
        "in chunks": ["Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n"],
        "to the end of the connection": ["X-A: b", "abc"],
      }[framing] as [string, string];
      it.each([
        ["without a space behind its status", "HTTP/1.1 200\r\n@\r\n\r\n"],
        ["behind an empty line", "\r\nHTTP/1.1 200 OK\r\n@\r\n\r\n"],
        ["with lines that end in LF alone", "HTTP/1.1 200 OK\n@\nX-C: d\n\n"],
        ["with one line that ends in LF alone", "HTTP/1.1 200 OK\r\n@\r\nX-C: d\n\r\n"],
        ["with a space in front of a colon", "HTTP/1.1 200 OK\r\nX-C : d\r\n@\r\n\r\n"],
        ["with a folded line", "HTTP/1.1 200 OK\r\nX-C: d\r\n e\r\n@\r\n\r\n"],
      ])("is put right %s, as there is one way to read it", async (_what, head) => {
        const { server, codes } = await serve((socket) => {
          socket.write(head.replace("@", field) + octets);
          if (framing === "to the end of the connection") socket.end();
        });
        const client = ask(server);
        await expect.poll(() => content(client)).toBe(octets);
        expect(client.octets()).toMatch(/^HTTP\/1\.1 200 [^\r\n]*\r\n(?:[^\r\n :]+: [^\r\n]+\r\n)+\r\n/);
        expect(client.octets()).toContain(`\r\n${field}\r\n`);
        expect(codes).toHaveLength(1);
      });
    });

    it.each([
      ["a DataView", (octets: Uint8Array) => new DataView(octets.buffer)],
      ["an array of 16 bit numbers", (octets: Uint8Array) => new Uint16Array(octets.buffer)],
      ["an array of another realm", (octets: Uint8Array) => runInNewContext("Uint8Array").from(octets)],
    ])("is replaced, given as %s, where nobody could read it", async (_what, as) => {
      const { server, codes } = await serve((socket) => {
        socket.write(as(new Uint8Array(Buffer.from("no response."))));
        setTimeout(() => socket.end(), 50);
      });
      const client = ask(server);
      await expect.poll(client.end).toBe("FIN");
      expect(client.octets()).toMatch(/^HTTP\/1\.1 500 /);
      expect(codes).toEqual(["RAW_WRITE"]);
    });

    it.each([
      [
        "Content-Length beside Transfer-Encoding",
        "200 OK",
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "3\r\nabc\r\n0\r\n\r\n",
        "FR-1",
      ],
      ["the same Content-Length twice", "200 OK", "Content-Length: 3\r\nContent-Length: 3", "abc", "FR-3"],
      ["Content-Length in a 204", "204 No Content", "Content-Length: 0", "", "FR-5"],
    ])("is sent with one framing in place of %s", async (_what, status, fields, octets, rule) => {
      const { server, codes } = await serve((socket) =>
        socket.write(`HTTP/1.1 ${status}\r\n${fields}\r\n\r\n${octets}`),
      );
      const client = ask(server);
      await expect.poll(() => client.octets()).toMatch(/\r\n\r\n/);
      expect(content(client)).toBe(octets);
      expect(client.octets()).toMatch(new RegExp(`^HTTP/1.1 ${status}\r\n`));
      expect(client.octets().match(/Content-Length|Transfer-Encoding/g) ?? []).toHaveLength(
        status === "200 OK" ? 1 : 0,
      );
      expect(codes).toEqual([rule]);
    });
  },
);

const UPLOAD = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc";

describe.each([
  ["an upgrade", REQUESTS["an upgrade"]],
  ["an upload that is still under way", UPLOAD],
])("a response by hand to %s, behind which the connection is closed", (_what, request) => {
  it.each([
    ["Connection: keep-alive\r\nKeep-Alive: timeout=5", "Connection: close"],
    [
      "Keep-Alive: timeout=5\r\nConnection: Upgrade, Keep-Alive\r\nUpgrade: h2c",
      "Upgrade: h2c\r\nConnection: Upgrade, close",
    ],
    ["Connection: Upgrade\r\nUpgrade: h2c", "Upgrade: h2c\r\nConnection: Upgrade, close"],
    ["connection:  Close\r\nX-A: b", "connection:  Close\r\nX-A: b"],
  ])("says so in place of %j, short or long", async (fields, said) => {
    for (const length of [3, 100_000]) {
      const { server, codes } = await serve((socket) => {
        socket.write(`${OK}Date: Tue, 01 Dec 2026 08:00:00 GMT\r\nContent-Length: ${length}\r\n${fields}\r\n\r\n`);
        socket.write("x".repeat(length));
      });
      const client = open(server, request);
      await expect.poll(client.end).toBe("FIN");
      expect(content(client).length).toBe(length);
      const section = client.octets().slice(0, client.octets().indexOf("\r\n\r\n"));
      expect(section).toBe(`${OK}Date: Tue, 01 Dec 2026 08:00:00 GMT\r\nContent-Length: ${length}\r\n${said}`);
      expect(codes).toEqual([]);
    }
  });
});

it("a response by hand says that it is the last on a connection which its app ends at once", async () => {
  for (const kind of Object.keys(REQUESTS) as (keyof typeof REQUESTS)[]) {
    const { server } = await serve((socket) => {
      socket.end(`${OK}Content-Length: 2\r\nConnection: keep-alive\r\n\r\nok`);
    });
    const client = open(server, REQUESTS[kind]);
    await expect.poll(client.end).toBe("FIN");
    expect(client.octets()).toMatch(/\r\nConnection: close\r\n\r\nok$/);
    expect(client.octets()).not.toMatch(/keep-alive/i);
  }
});

describe("a response that an app writes to an upgrade by hand, before its turn", () => {
  it.each([4, 40])("is whole at its turn, or visibly none: %i pieces", async (pieces) => {
    const write: Write = (socket) => {
      socket.write(`${OK}Content-Length: ${(pieces + 1) * PIECE.length}\r\n\r\n`);
      for (let n = 0; n < pieces; n++) socket.write(PIECE);
      setTimeout(() => socket.write(PIECE), 300);
    };
    const { server } = await serve(write, { firstByteDeadlineMs: 1_000 });
    const client = open(server, `GET /slow HTTP/1.1\r\nHost: a\r\n\r\n${REQUESTS["an upgrade"]}`);
    await expect.poll(() => client.end(), { timeout: 6_000 }).not.toBe("");
    const second = client.octets().slice(client.octets().indexOf("first") + 5);
    if (pieces === 4) expect(content({ ...client, octets: () => second }).length).toBe(5 * PIECE.length);
    else expect(second).toMatch(/^HTTP\/1\.1 50[03] /);
  });
});

describe("a response that the app has made itself, for a socket that it has detached", () => {
  it.each([
    ["as a whole", (response: ServerResponse, done: () => void) => response.end("content", done)],
    [
      "in pieces",
      (response: ServerResponse, done: () => void) => {
        response.write("con");
        setImmediate(() => response.end("tent", done));
      },
    ],
  ])("is finished, and calls back, once it is out: %s", async (_how, answer) => {
    const told: string[] = [];
    const guard = createGuard({ logger: false, shutdown: false, crash: false });
    const server = createServer((request, response) => {
      const { socket } = request;
      response.detachSocket(socket);
      const own = new ServerResponse(request);
      own.assignSocket(socket);
      for (const event of ["prefinish", "finish", "close"]) own.on(event, () => told.push(event));
      answer(own, () => told.push("called back"));
    });
    guard.attach(server);
    await once(server.listen(0, "127.0.0.1"), "listening");
    closing.push(() => server.close().closeAllConnections());
    const client = connect((server.address() as AddressInfo).port);
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let octets = "";
    for await (const chunk of client) octets += String(chunk);
    expect(octets).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    await expect.poll(() => told).toContain("close");
    expect([...told].sort()).toEqual(["called back", "close", "finish", "prefinish"]);
    expect(guard.stats().inFlight).toBe(0);
  });
});
