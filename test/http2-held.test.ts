import { once } from "node:events";
import http2, { type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createGuard, type GuardOptions } from "../src/index.js";
import { tapTo } from "./helpers/http2-calls.js";
import { selfSigned } from "./testing/certificate.js";

const certificate = selfSigned();

type Mode = "bare" | "enforce" | "report";

/** Writes, and a note of what the app finds behind each. */
type App = (stream: ServerHttp2Stream, note: (what: unknown) => void) => unknown;

/** A server with one app, and what that has noted. */
async function serve(mode: Mode, app: App, options: GuardOptions, isSecure = false) {
  const notes: unknown[] = [];
  const server = isSecure ? http2.createSecureServer(certificate) : http2.createServer();
  const guard =
    mode === "bare" ? undefined : createGuard({ logger: false, shutdown: false, crash: false, mode, ...options });
  guard?.attach(server);
  const over = new Promise<void>((resolve) => {
    server.on("stream", async (stream) => {
      stream.on("error", () => {});
      for (const event of ["drain", "finish"]) stream.on(event, () => notes.push(event));
      await app(stream, (what) => notes.push(what));
      resolve();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = () => {
    server.close();
    guard?.close();
  };
  return { port: (server.address() as AddressInfo).port, notes, over, close };
}

/** Answers one request, over a connection whose frames are read on their way. */
async function answered(mode: Mode, app: App, options: GuardOptions = {}) {
  const { port, notes, close } = await serve(mode, app, options);
  const tap = await tapTo(port);
  const session = http2.connect(`http://127.0.0.1:${tap.port}`);
  await once(session, "remoteSettings");
  const request = session.request({ ":path": "/" });
  let octets = 0;
  request.on("data", (chunk: Buffer) => {
    octets += chunk.byteLength;
  });
  await once(request, "close");
  const content = tap.content(1);
  session.destroy();
  tap.close();
  close();
  return { octets, content, notes };
}

/** Turns in which Node sends what was written, and tells so. */
const turns = async () => {
  for (let n = 0; n < 4; n++) await turn();
};

const look = ({ writableLength, writableNeedDrain }: ServerHttp2Stream) => [writableLength, writableNeedDrain];

const APPS: Readonly<Record<string, App>> = {
  "end(content)": (stream) => stream.end("OK"),
  "write and end": (stream) => {
    stream.write("OK");
    stream.end();
  },
  "two writes and end": (stream) => {
    stream.write("one");
    stream.write("three");
    stream.end();
  },
  "write, and end(content)": (stream) => {
    stream.write("one");
    stream.end("three");
  },
  "end once a write has left": (stream) => stream.write("OK", () => stream.end()),
  "end(content) once a write has left": (stream) => stream.write("OK", () => stream.end("then")),
  "writes in turns of their own, and end": async (stream) => {
    for (const content of ["a", "bc", "def"]) {
      stream.write(content);
      await turns();
    }
    stream.end();
  },
  "writes in turns of their own, and end(content)": async (stream) => {
    for (const content of ["a", "bc", "def"]) {
      stream.write(content);
      await turns();
    }
    stream.end("ghij");
  },
  "corked writes": async (stream) => {
    stream.cork();
    stream.write("a");
    stream.write("bc");
    stream.uncork();
    await turns();
    stream.write("def");
    await turns();
    stream.end();
  },
  "writes in turns of their own, with trailers": async (stream) => {
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "1" }));
    stream.write("a");
    await turns();
    stream.write("bc");
    await turns();
    stream.end("def");
  },
  "more than a frame takes": async (stream) => {
    stream.write("a".repeat(20_000));
    await turns();
    stream.write("b".repeat(20_000));
    await turns();
    stream.end("c".repeat(10));
  },
  "writes while it is told that it may": async (stream, note) => {
    // More than fits into the window else, in newer versions of Node.
    (stream as unknown as { _writableState: { highWaterMark: number } })._writableState.highWaterMark = 16_384;
    for (let n = 0; n < 3; n++) {
      note(stream.write("x".repeat(9_000)));
      note(look(stream));
    }
    await once(stream, "drain");
    note(look(stream));
    stream.end("y");
  },
};

describe.each(Object.entries(APPS))("content over HTTP/2, held back: %s", (how, app) => {
  const first: App = (stream, note) => {
    stream.respond({ ":status": 200 }, { waitForTrailers: how.endsWith("trailers") });
    return app(stream, note);
  };
  it.each(["enforce", "report"] as const)(
    "leaves in the frames, and is told of, as without a guard: %s",
    async (mode) => {
      const bare = await answered("bare", first);
      expect(await answered(mode, first, { holdBackMs: 1_000 })).toEqual(bare);
      expect(await answered(mode, first, { holdBackMs: 1 })).toEqual(bare);
    },
  );
});

describe("a recipient that takes less than is held back", () => {
  const app: App = async (stream, note) => {
    stream.respond({ ":status": 200 });
    let written = false;
    note(
      stream.write("x".repeat(100), () => {
        written = true;
      }),
    );
    note(stream.write("y".repeat(20_000)));
    await turns();
    note([written, ...look(stream)]);
    stream.end();
  };
  it.each([0, 10, 150])("keeps the app waiting as without a guard: window of %d octets", async (initialWindowSize) => {
    const found = async (mode: Mode) => {
      const { port, notes, over, close } = await serve(mode, app, { holdBackMs: 1_000 });
      const session = http2.connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize } });
      await once(session, "remoteSettings");
      session.request({ ":path": "/" }).on("error", () => {});
      await over;
      session.destroy();
      close();
      return notes;
    };
    const bare = await found("bare");
    for (const mode of ["enforce", "report"] as const) expect(await found(mode)).toEqual(bare);
  });
});

it("content on its way as its session ends costs the process nothing", async () => {
  const closed = new Promise<void>((resolve) => {
    const app: App = async (stream) => {
      stream.on("close", resolve);
      stream.respond({ ":status": 200 });
      stream.write("a");
      await turns();
      stream.end();
      // As Node does where the connection is gone.
      const { session } = stream;
      Object.getPrototypeOf(session).destroy.call(session);
    };
    void (async () => {
      const { port, close } = await serve("enforce", app, { holdBackMs: 60_000 });
      const session = http2.connect(`http://127.0.0.1:${port}`).on("error", () => {});
      session.request({ ":path": "/" }).on("error", () => {});
      await closed;
      session.destroy();
      close();
    })();
  });
  await closed;
  await turns();
});

// Node itself waits for ever where the reset comes while a write of the app's is on its way: what the app sends here is small.
it.each(
  [false, true].flatMap((isSecure) => (["bare", "enforce", "report"] as const).map((mode) => ({ mode, isSecure }))),
)("a client that closes its stream ends it for the app: %o", async ({ mode, isSecure }) => {
  let closed = false;
  const app: App = (stream) => {
    stream.on("close", () => {
      closed = true;
    });
    stream.respond({ ":status": 200 });
    stream.pipe(stream);
  };
  const { port, close } = await serve(mode, app, {}, isSecure);
  const session = http2.connect(`${isSecure ? "https" : "http"}://127.0.0.1:${port}`, { rejectUnauthorized: false });
  const request = session.request({ ":path": "/", ":method": "POST" }).on("error", () => {});
  for (let n = 0; n < 4_000; n++) request.write(Buffer.alloc(6));
  request.once("data", () => request.destroy());
  await expect.poll(() => closed).toBe(true);
  session.destroy();
  close();
});
