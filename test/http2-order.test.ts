import http2, { type Http2SecureServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { PassThrough, pipeline, Readable } from "node:stream";
import { describe, expect, it, vi } from "vitest";
import { createGuard } from "../src/index.js";
import { selfSigned } from "./testing/certificate.js";

vi.setConfig({ testTimeout: 30_000, maxConcurrency: 8 });

// biome-ignore lint/suspicious/noExplicitAny: a stream of the core API or a response of the compatibility API
type Out = any;
/** Notes that something has happened. */
type Note = (what: string) => void;
type Shape = (out: Out, note: Note) => unknown;

const certificate = selfSigned();
const FRAMES = Buffer.alloc(20_000, "f");
const OVER_WINDOW = Buffer.alloc(70_000, "w");

const called = (note: Note, what: string) => (error?: NodeJS.ErrnoException | null) =>
  note(`${what} called back${error ? ` ${error.code}` : ""}`);
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What is the same with both APIs. */
const BOTH: Readonly<Record<string, Shape>> = {
  "end()": (out, note) => out.end(called(note, "end")),
  "end(content)": (out, note) => out.end("x", called(note, "end")),
  "end() twice": (out, note) => {
    out.end("x", called(note, "end"));
    out.end(called(note, "end again"));
  },
  "write(), end()": (out, note) => {
    note(`write ${out.write("x", called(note, "write"))}`);
    out.end(called(note, "end"));
  },
  "write(), end(content)": (out, note) => {
    note(`write ${out.write("x", called(note, "write"))}`);
    out.end("y", called(note, "end"));
  },
  "five times write(), end()": (out, note) => {
    for (let at = 0; at < 5; at++) out.write("x", called(note, `write ${at}`));
    out.end(called(note, "end"));
  },
  "write(), end() in the next turn": (out, note) => {
    out.write("x", called(note, "write"));
    setImmediate(() => out.end(called(note, "end")));
  },
  "write(), end() once that is out": async (out, note) => {
    out.write("x", called(note, "write"));
    await wait(50);
    out.end(called(note, "end"));
  },
  "end(several frames)": (out, note) => out.end(FRAMES, called(note, "end")),
  "write(several frames), end()": (out, note) => {
    note(`write ${out.write(FRAMES, called(note, "write"))}`);
    out.end(called(note, "end"));
  },
  "end(more than the window)": (out, note) => out.end(OVER_WINDOW, called(note, "end")),
  "write(more than the window), end()": (out, note) => {
    note(`write ${out.write(OVER_WINDOW, called(note, "write"))}`);
    out.end(called(note, "end"));
  },
  "cork(), write(), uncork(), end()": (out, note) => {
    out.cork();
    out.write("x", called(note, "write"));
    out.write("y", called(note, "write again"));
    out.uncork();
    out.end(called(note, "end"));
  },
  "cork(), write(), end()": (out, note) => {
    out.cork();
    out.write("x", called(note, "write"));
    out.end(called(note, "end"));
  },
  "end(), destroy()": (out, note) =>
    out.end("x", () => {
      note("end called back");
      out.destroy();
    }),
  "pipe()": (out) => Readable.from(["a", "b"]).pipe(out),
  "pipeline()": (out, note) => pipeline(Readable.from(["a", "b"]), out, called(note, "pipeline")),
};
const CORE: Readonly<Record<string, Shape>> = {
  ...BOTH,
  "respond(), end() once that is out": async (stream, note) => {
    stream.respond();
    await wait(50);
    stream.end("x", called(note, "end"));
  },
  "respond() with a length": (stream, note) => {
    stream.respond({ ":status": 200, "content-length": 1 });
    stream.write("x", called(note, "write"));
    stream.end(called(note, "end"));
  },
  "respond() with 204": (stream, note) => {
    stream.respond({ ":status": 204 });
    stream.end(called(note, "end"));
  },
  "respond() with endStream": (stream) => stream.respond({}, { endStream: true }),
  "respond(), end(), close()": (stream, note) => {
    stream.respond();
    stream.end("x", called(note, "end"));
    stream.close();
  },
  trailers: (stream, note) => withTrailers(stream, note, () => stream.sendTrailers({ "x-sum": "1" })),
  "trailers in a while": (stream, note) =>
    withTrailers(stream, note, () => setTimeout(() => stream.sendTrailers({ "x-sum": "1" }), 20)),
  "no trailers after all": (stream, note) => withTrailers(stream, note, () => stream.close()),
  "no trailers after all, in a while": (stream, note) =>
    withTrailers(stream, note, () => setTimeout(() => stream.close(), 20)),
};
/** Answers with what it was sent. */
const ECHO: Readonly<Record<string, Shape>> = {
  "pipe()": (stream) => {
    stream.respond();
    stream.pipe(stream);
  },
  "pipeline()": (stream, note) => {
    stream.respond();
    pipeline(stream, new PassThrough(), stream, called(note, "pipeline"));
  },
  "write(), end() behind the request": (stream) => {
    stream.respond();
    stream.on("data", (chunk: Buffer) => stream.write(chunk)).on("end", () => stream.end());
  },
};
const COMPAT: Readonly<Record<string, Shape>> = {
  ...BOTH,
  "writeHead(204)": (response, note) => response.writeHead(204).end(called(note, "end")),
  "writeHead(304)": (response, note) => response.writeHead(304).end(called(note, "end")),
  "flushHeaders(), end()": (response, note) => {
    response.flushHeaders();
    response.end("x", called(note, "end"));
  },
  "flushHeaders(), end() once that is out": async (response, note) => {
    response.flushHeaders();
    await wait(50);
    response.end("x", called(note, "end"));
  },
  trailers: (response, note) => {
    response.addTrailers({ "x-sum": "1" });
    response.write("x", called(note, "write"));
    response.end(called(note, "end"));
  },
};
const SHAPES = { core: CORE, compat: COMPAT, echo: ECHO };

function withTrailers(stream: Out, note: Note, asked: () => void): void {
  stream.respond({ ":status": 200 }, { waitForTrailers: true });
  stream.on("wantTrailers", asked);
  stream.write("x", called(note, "write"));
  stream.end(called(note, "end"));
}

interface Way {
  readonly api: keyof typeof SHAPES;
  readonly isSecure: boolean;
  readonly method: string;
  readonly shape: string;
}

/** Everything that is told until the stream is closed, in order, and what the client got. */
async function told(mode: "bare" | "enforce" | "report", { api, isSecure, method, shape }: Way) {
  const told: string[] = [];
  const note: Note = (what) => told.push(what);
  const server = (isSecure ? http2.createSecureServer({ ...certificate }) : http2.createServer()) as Http2SecureServer;
  let isClosed = false;
  let close = () => {};
  const closed = new Promise<void>((resolve) => {
    close = () => {
      isClosed = true;
      resolve();
    };
  });
  const listen = (name: string, from: NodeJS.EventEmitter, events: string[]) => {
    for (const event of events) from.on(event, () => note(`${name} ${event}`));
  };
  const take = (stream: ServerHttp2Stream) => {
    listen("stream", stream, ["prefinish", "finish", "drain", "end", "aborted", "error", "close"]);
    stream.once("close", close);
    if (method === "POST" && api !== "echo") stream.resume();
  };
  if (api !== "compat")
    server.on("stream", (stream) => {
      take(stream);
      SHAPES[api][shape]?.(stream, note);
    });
  else
    server.on("request", (request, response) => {
      take(response.stream);
      listen("request", request, ["end", "aborted", "error", "close"]);
      listen("response", response, ["finish", "drain", "error", "close"]);
      COMPAT[shape]?.(response, note);
    });
  const guard =
    mode === "bare"
      ? undefined
      : createGuard({ mode, logger: false, shutdown: false, crash: false, trust: "loopback" });
  guard?.attach(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const client = http2.connect(`${isSecure ? "https" : "http"}://localhost:${port}`, { rejectUnauthorized: false });
  const stream = client.request({ ":path": "/", ":method": method }, { endStream: method !== "POST" });
  let octets = 0;
  stream
    .on("error", () => {})
    .on("data", (chunk) => {
      octets += chunk.length;
    });
  if (method === "POST") stream.end("content");
  await Promise.race([closed, wait(2_000)]);
  // What comes in the turns behind that; on a busy machine the close may be due together with the time-out.
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  const seen = { isClosed, told: [...told], octets, code: stream.rstCode };
  client.destroy();
  await new Promise((resolve) => server.close(resolve));
  guard?.close();
  return seen;
}

describe.each([false, true])("over TLS: %s", (isSecure) => {
  describe.each(["core", "compat"] as const)("an app of the API %s", (api) => {
    describe.each(isSecure ? ["GET"] : ["GET", "HEAD", "POST"])("%s", (method) => {
      it.concurrent.each(Object.keys(SHAPES[api]))(
        "is told all in the order in which Node tells it: %s",
        async (shape) => {
          const way = { api, isSecure, method, shape };
          const bare = await told("bare", way);
          expect({ mode: "report", ...(await told("report", way)) }).toEqual({ mode: "report", ...bare });
          expect({ mode: "enforce", ...(await told("enforce", way)) }).toEqual({ mode: "enforce", ...bare });
        },
      );
    });
  });
});

describe("an app that answers with what it was sent", () => {
  it.concurrent.each(Object.keys(ECHO))("is told all in the order in which Node tells it: %s", async (shape) => {
    const warned: Error[] = [];
    const note = (warning: Error) => void warned.push(warning);
    process.on("warning", note);
    const way = { api: "echo", isSecure: false, method: "POST", shape } as const;
    const bare = await told("bare", way);
    expect({ mode: "report", ...(await told("report", way)) }).toEqual({ mode: "report", ...bare });
    expect({ mode: "enforce", ...(await told("enforce", way)) }).toEqual({ mode: "enforce", ...bare });
    process.off("warning", note);
    // `pipeline()` listens for all that a stream may be asked: one more would be too many.
    expect(warned).toEqual([]);
  });
});
