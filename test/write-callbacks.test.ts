import { once } from "node:events";
import http, { type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";

const servers: http.Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

type Note = (what: string) => void;
type App = (response: ServerResponse, note: Note) => unknown;
type End = (response: ServerResponse, client: Socket) => unknown;

const called = (note: Note, what: string) => (error?: Error | null) =>
  note(`${what} ${(error as NodeJS.ErrnoException | undefined)?.code ?? "written"}`);

/** What the app is told of what it has written and not ended, until its response is closed. */
async function told(mode: "bare" | "enforce" | "report", app: App, end: End): Promise<string[]> {
  const notes: string[] = [];
  const begun = new Promise<ServerResponse>((resolve) => {
    const server = http.createServer((_request, response) => {
      app(response, (what) => notes.push(what));
      resolve(response);
    });
    if (mode !== "bare")
      createGuard({ mode, logger: false, shutdown: false, crash: false, holdBackMs: 60_000 }).attach(server);
    servers.push(server);
    server.listen(0, "127.0.0.1");
  });
  const [server] = servers.slice(-1) as [http.Server];
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  client.on("error", () => {});
  client.resume();
  client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const response = await begun;
  // What is written has left by then.
  await delay(20);
  const closed = once(response, "close");
  end(response, client);
  await closed;
  notes.push("close");
  await delay(20);
  client.destroy();
  return notes;
}

const ENDS: Readonly<Record<string, End>> = {
  "the client resets the connection": (_response, client) => client.resetAndDestroy(),
  "the client ends its side": (_response, client) => client.end(),
  "the app destroys the response": (response) => response.destroy(),
  "the app destroys it with an error": (response) => response.on("error", () => {}).destroy(new Error("x")),
  "the app destroys the socket": (response) => response.socket?.destroy(),
};

const WRITES: Readonly<Record<string, App>> = {
  "one write": (response, note) => response.write("a", called(note, "a")),
  "several writes": (response, note) => {
    for (const content of ["a", "b", "c"]) response.write(content, called(note, content));
  },
  "with a length": (response, note) => {
    response.setHeader("Content-Length", 9);
    response.write("a", called(note, "a"));
  },
  "more than the recipient is said to take": (response, note) => {
    response.write("a".repeat(40_000), called(note, "a"));
    response.write(Buffer.alloc(4_000), called(note, "b"));
  },
  "writes once it is closed": (response, note) => {
    response.write("a", called(note, "a"));
    response.on("close", () => {
      note(String(response.write("b", called(note, "b"))));
      response.write("c", "latin1", called(note, "c"));
      response.write("d");
    });
  },
  "an end once it is closed": (response, note) => {
    response.write("a", called(note, "a"));
    response.on("close", () => response.end("b", called(note, "end")));
  },
  "an end without content once it is closed": (response, note) => {
    response.write("a", called(note, "a"));
    response.on("close", () => response.end(called(note, "end")));
  },
  "a write once another has left": (response, note) =>
    response.write("a", () => {
      note("a");
      response.write("b", called(note, "b"));
    }),
};

describe.each(Object.entries(ENDS))("a callback of write(), where %s", (_how, end) => {
  it.each(Object.entries(WRITES))("is called as without a guard: %s", async (_what, app) => {
    const bare = await told("bare", app, end);
    expect(bare.length).toBeGreaterThan(1);
    for (const mode of ["enforce", "report"] as const) expect(await told(mode, app, end)).toEqual(bare);
  });
});

/** A response keeps chunks itself from then on, and calls nobody back for those that it drops. */
const KEEPS_CORKED = Number.parseInt(process.versions.node, 10) >= 26;

describe.skipIf(KEEPS_CORKED)("what an app keeps corked", () => {
  it.each(Object.entries(ENDS).filter(([how]) => !/ends its side|with an error/.test(how)))(
    "is told to be lost, where %s",
    async (_how, end) => {
      const app: App = (response, note) => {
        response.cork();
        response.write("a", called(note, "a"));
      };
      const [first, second] = (await told("bare", app, end)).sort();
      expect((await told("enforce", app, end)).sort()).toEqual([first, second]);
    },
  );
});

it("what is written to a response that the app has destroyed is told to be lost", async () => {
  const app: App = (response, note) => {
    response.destroy();
    note(String(response.write("a", called(note, "a"))));
  };
  const nothing: End = () => {};
  const settled = async (mode: "bare" | "enforce") => {
    const notes: string[] = [];
    await Promise.race([
      told(mode, (response, note) => app(response, (what) => notes.push(what) && note(what)), nothing),
      delay(200),
    ]);
    return notes;
  };
  const bare = await settled("bare");
  expect(bare).toEqual(["false", "a ERR_STREAM_DESTROYED"]);
  expect(await settled("enforce")).toEqual(bare);
});
