import { type IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { TLSSocket } from "node:tls";
import { describe, expect, it } from "vitest";
import { type Case, type Event, GET, type Listener, show } from "./helpers/upgrades.js";

// An upgrade and a CONNECT over HTTP/1.1 in report mode: all of it is told, and nothing is changed.

const NO = "HTTP/1.1 403 No\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: close\r\n";
const EARLY = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
const SWITCHES: Readonly<Record<Event, string>> = {
  upgrade: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
  connect: "HTTP/1.1 200 Connection established\r\n\r\n",
};

const answersWith =
  (...pieces: string[]): Listener =>
  async (socket) => {
    for (const piece of pieces.slice(0, -1)) {
      socket.write(piece, "latin1");
      await turn();
    }
    socket.end(pieces.at(-1) ?? "", "latin1");
  };

/** A response of the app's own making, as libraries have it that route an upgrade through a framework. */
function responseOn(socket: Socket, request: IncomingMessage): ServerResponse {
  const response = new ServerResponse(request);
  response.assignSocket(socket);
  response.sendDate = false;
  response.on("finish", () => socket.end());
  return response;
}

const rejects = async () => {
  throw new Error("x");
};

const CASES = (event: Event): Record<string, Case> => ({
  "another protocol takes over": {
    listeners: [
      (socket, note) => {
        socket.on("data", (data) => {
          note(`data ${data}`);
          socket.write(`echo ${data}`);
        });
        socket.on("end", () => socket.end("bye"));
        note(`write ${socket.write(SWITCHES[event], () => note("written"))}`);
      },
    ],
    client: async (client, until) => {
      await until("\r\n\r\n");
      client.write("word");
      await until("echo word");
      client.end();
    },
    codes: [],
  },
  "another protocol takes over, and is cut off": {
    listeners: [
      (socket) => {
        socket.write(SWITCHES[event]);
        socket.write("garbage\r\n\r\n");
        setTimeout(() => socket.destroy(new Error("over")), 20);
      },
    ],
    codes: [],
  },
  "another protocol takes over in pieces, behind hints": {
    listeners: [answersWith(EARLY, SWITCHES[event].slice(0, 9), SWITCHES[event].slice(9), "octets", "more")],
    codes: [],
  },
  "another protocol takes over, with octets in the same write": {
    listeners: [(socket) => socket.end(`${SWITCHES[event]}octets`)],
    codes: [],
  },
  "another protocol takes over, corked": {
    listeners: [
      (socket) => {
        socket.cork();
        socket.write(SWITCHES[event]);
        socket.write("octets");
        process.nextTick(() => {
          socket.uncork();
          socket.destroySoon();
        });
      },
    ],
    codes: [],
  },
  "a refusal": { listeners: [answersWith(`${NO}Content-Length: 2\r\n\r\nno`)], codes: [] },
  "a refusal in pieces": { listeners: [answersWith(NO, "Content-Length: 2\r\n\r\n", "n", "o")], codes: [] },
  "a refusal in chunks": {
    listeners: [answersWith(`${NO}Transfer-Encoding: chunked\r\n\r\n`, "2\r\nno\r\n", "0\r\n\r\n")],
    codes: [],
    framed: true,
  },
  "a refusal to the end of the connection": { listeners: [answersWith(`${NO}\r\n`, "no")], codes: [] },
  "a refusal, and the connection destroyed once it is written": {
    listeners: [
      (socket, note) =>
        socket.write(`${NO}Content-Length: 0\r\n\r\n`, () => {
          note("written");
          socket.destroy();
        }),
    ],
    codes: [],
  },
  "a refusal, and the connection ended with a callback": {
    listeners: [(socket, note) => socket.end(`${NO}Content-Length: 0\r\n\r\n`, () => note("ended"))],
    codes: [],
  },
  "a refusal behind a malformed interim response": {
    listeners: [answersWith(`HTTP/1.1 103 Early Hints\r\nA b: c\r\n\r\n${NO}Content-Length: 0\r\n\r\n`)],
    codes: ["IR-4"],
  },
  "a refusal with LF alone": { listeners: [answersWith("HTTP/1.1 403 No\nContent-Length: 2\n\nno")], codes: ["HF-6"] },
  "a refusal with content missing": {
    listeners: [(socket) => socket.end(`${NO}Content-Length: 9\r\n\r\nno`)],
    codes: ["MC-2"],
  },
  "a refusal with more content than announced": {
    listeners: [(socket) => socket.end(`${NO}Content-Length: 1\r\n\r\nno`)],
    codes: ["MC-7"],
  },
  "a refusal through a response of its own making": {
    listeners: [(socket, _note, request) => responseOn(socket, request).writeHead(403).end("no")],
    codes: [],
    framed: true,
  },
  "content in pieces through a response of its own making": {
    listeners: [
      async (socket, _note, request) => {
        const response = responseOn(socket, request);
        response.writeHead(403);
        response.write("n");
        await turn();
        response.end("o");
      },
    ],
    codes: [],
    framed: true,
  },
  "octets that are no response": { listeners: [answersWith("no\r\n")], codes: ["RAW_WRITE"] },
  "no answer, and the connection destroyed": { listeners: [(socket) => socket.destroy()], codes: ["MC-2"] },
  "no answer, and the connection destroyed with an error": {
    listeners: [(socket) => socket.destroy(new Error("mine"))],
    codes: ["MC-2"],
  },
  "no answer, and the connection destroyed later": {
    listeners: [(socket) => setTimeout(() => socket.destroy(), 20)],
    codes: ["MC-2"],
  },
  "no answer, and the connection ended": {
    listeners: [(socket, note) => socket.end(() => note("ended"))],
    codes: ["MC-2"],
  },
  "no answer, and the connection ended soon": {
    listeners: [(socket) => (socket.destroySoon ?? socket.end).call(socket)],
    codes: ["MC-2"],
  },
  "no answer, and the connection reset": {
    listeners: [(socket) => (socket.resetAndDestroy ?? socket.destroy).call(socket)],
    codes: ["MC-2"],
  },
  "no answer": { listeners: [() => {}], codes: ["MC-10"] },
  "a listener that throws": {
    listeners: [
      () => {
        throw new Error("x");
      },
      (_socket, note) => note("second listener"),
    ],
    codes: ["HANDLER_ERROR"],
  },
  "a listener that rejects": {
    prepare: (server) => server.on(event, rejects),
    listeners: [(_socket, note) => note("second listener")],
    codes: ["HANDLER_ERROR"],
  },
  "a listener whose rejection the app has caught": {
    listeners: [
      (socket) => {
        const work = rejects();
        work.catch(() => socket.end(`${NO}Content-Length: 0\r\n\r\n`));
        return work;
      },
    ],
    codes: [],
    enforced: ["LATE_ERROR"],
  },
  "a listener that throws behind its answer": {
    listeners: [
      (socket) => {
        socket.end(`${NO}Content-Length: 0\r\n\r\n`);
        throw new Error("x");
      },
    ],
    codes: [],
    enforced: ["LATE_ERROR"],
  },
  "nobody who listens": { listeners: [], codes: event === "connect" ? ["MC-2"] : [] },
  "nobody who listens, behind an answer that is under way": {
    front: GET,
    listeners: [],
    codes: event === "connect" ? ["MC-2"] : [],
  },
  "two listeners, one of which answers": {
    listeners: [(_socket, note) => note("first"), answersWith(`${NO}Content-Length: 0\r\n\r\n`)],
    codes: [],
  },
  "a client that half-closes before there is an answer": {
    listeners: [(socket) => socket.on("end", () => socket.destroy()).resume()],
    client: (client) => client.end(),
    codes: [],
  },
  "a client that half-closes, and is answered": {
    listeners: [(socket) => socket.on("end", () => socket.end(`${NO}Content-Length: 0\r\n\r\n`)).resume()],
    client: (client) => client.end(),
    codes: [],
  },
  "a client that leaves": {
    listeners: [
      (socket) => {
        const answer = () => socket.end(`${NO}Content-Length: 0\r\n\r\n`);
        socket
          .on("end", () => socket.destroy())
          .on("close", answer)
          .resume();
        socket.write(EARLY);
      },
    ],
    client: async (client, until) => {
      await until("103");
      if (client instanceof TLSSocket) client.destroy();
      else (client.resetAndDestroy ?? client.end).call(client);
    },
    codes: [],
  },
  "a request with content": {
    fields: "Content-Length: 5\r\n",
    behind: "he",
    client: async (client, until) => {
      await until("HTTP/1.1");
      client.write("lloword");
    },
    listeners: [
      (socket, note, request) => {
        request.on("data", (data) => note(`content ${data}`)).on("end", () => note("end of content"));
        socket.on("data", (data) => {
          note(`data ${data}`);
          if (String(data).endsWith("word")) socket.end("bye");
        });
        socket.write(SWITCHES[event]);
      },
    ],
    codes: [],
  },
  "a request of HTTP/1.0": { version: "1.0", listeners: [answersWith(`${NO}Content-Length: 0\r\n\r\n`)], codes: [] },
  "a client that expects 100": {
    fields: "Expect: 100-continue\r\n",
    listeners: [(socket) => socket.end(SWITCHES[event])],
    codes: [],
  },
  "an answer behind one that is under way": {
    front: GET,
    listeners: [
      async (socket, _note, _request, answered) => {
        await answered;
        socket.end(`${NO}Content-Length: 0\r\n\r\n`);
      },
    ],
    codes: [],
  },
  "another protocol behind an answer that is under way": {
    front: GET,
    listeners: [
      async (socket, _note, _request, answered) => {
        await answered;
        socket.write(SWITCHES[event]);
        socket.write("octets");
        setTimeout(() => socket.end("more"), 20);
      },
    ],
    codes: [],
  },
  "another protocol at once, in front of an answer that is under way": {
    front: GET,
    listeners: [
      async (socket, _note, _request, answered) => {
        socket.write(SWITCHES[event]);
        socket.write("octets");
        await answered;
        socket.end("more");
      },
    ],
    codes: [],
  },
  "no answer behind one that is under way": {
    front: GET,
    listeners: [
      async (socket, _note, _request, answered) => {
        await answered;
        socket.destroy();
      },
    ],
    codes: ["MC-2"],
  },
  "the connection destroyed in front of an answer that is under way": {
    front: GET,
    listeners: [(socket) => socket.destroy()],
    codes: ["MC-2"],
  },
});

describe.each(["upgrade", "connect"] as const)("%s", (event) => {
  describe.each(["TCP", "TLS", "Duplex"] as const)("over %s", (transport) => {
    it.each(Object.entries(CASES(event)))("%s", async (_what, given) => {
      const bare = await show("bare", event, given, transport);
      const report = await show("report", event, given, transport);
      expect(report.seen).toEqual(bare.seen);
      expect(report.codes).toEqual(given.codes);
      expect(report.incidents.every(({ action }) => action === "reported")).toBe(true);
      if (transport !== "TCP") return;
      const enforce = await show("enforce", event, given);
      expect(enforce.codes).toEqual(given.enforced ?? given.codes);
      // Where nothing is wrong with it, both modes say the same of it.
      if (given.codes.length === 0 && given.enforced === undefined) {
        const all = given.framed ? { octets: expect.any(Number) } : {};
        expect(report.lines).toEqual(enforce.lines.map((line) => ({ ...line, ...all })));
      } else expect(report.lines.map(({ url }) => url)).toEqual(enforce.lines.map(({ url }) => url));
    });
  });
});
