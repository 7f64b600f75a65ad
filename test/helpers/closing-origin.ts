import http2, { type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { addAbortSignal, pipeline, Readable } from "node:stream";
import { createGuard } from "../../src/index.js";

/** Ways of an app to destroy a stream that Node is closing: some end the process of a bare one. */
const WAYS: Readonly<Record<string, (stream: ServerHttp2Stream) => void>> = {
  "end(), close() and destroy()": (stream) => {
    stream.respond();
    stream.end("hello");
    stream.close(0);
    stream.destroy();
  },
  "end(), close() and end()": (stream) => {
    stream.respond();
    stream.end("hello");
    stream.close(0);
    stream.end("more");
  },
  "destroy() of an event stream, by an AbortSignal": (stream) => {
    stream.respond({ "content-type": "text/event-stream" });
    stream.write("hello");
    stream.resume();
    addAbortSignal(AbortSignal.abort(), stream);
  },
  "close() of a pipeline()": (stream) => {
    const source = new Readable({ read() {} });
    stream.respond();
    source.push("hello");
    pipeline(source, stream, () => {});
    setTimeout(() => stream.close(0), 5);
  },
  "close() of a pipeline() before it has begun": (stream) => {
    pipeline(new Readable({ read() {} }), stream, () => {});
    stream.close(0);
  },
};

const TIMES = 10;
const AT_ONCE = 8;

const [, , way = ""] = process.argv;
const server = http2.createServer();
server.on("stream", (stream) => {
  stream.on("error", () => {});
  WAYS[way]?.(stream);
});
createGuard({ logger: false, crash: false, shutdown: false }).attach(server);
server.listen(0, "127.0.0.1", async () => {
  process.send?.({ listening: true });
  const { port } = server.address() as AddressInfo;
  const ends: string[] = [];
  for (let n = 0; n < TIMES; n++) ends.push(...(await Promise.all(Array.from({ length: AT_ONCE }, () => ask(port)))));
  process.send?.({ ends }, () => process.exit());
});

/** How one stream ends for its client. */
function ask(port: number): Promise<string> {
  return new Promise((resolve) => {
    const client = http2.connect(`http://127.0.0.1:${port}`).on("error", () => {});
    const stream = client.request({ ":method": "POST" });
    stream.end("sent");
    let status: unknown;
    let isEnded = false;
    stream.on("response", ({ ":status": given }) => (status = given));
    stream.on("error", () => {}).on("end", () => (isEnded = true));
    stream.on("close", () => {
      client.destroy();
      resolve(stream.rstCode === 0 && isEnded ? `${status}, whole` : `broken off with ${stream.rstCode}`);
    });
    stream.resume();
  });
}
