import { once } from "node:events";
import http2, { type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { createGuard } from "../src/index.js";

type Answers = (stream: ServerHttp2Stream) => void;

/** Whole answers without content, behind which the app ends the stream. From Node 22 on a RST_STREAM overtakes them. */
const WAYS: Readonly<Record<string, [status: number, answers: Answers]>> = {
  "close(0) behind respond()": [
    200,
    (stream) => {
      stream.respond();
      stream.close(0);
    },
  ],
  "close(0) behind end()": [
    200,
    (stream) => {
      stream.respond();
      stream.end();
      stream.close(0);
    },
  ],
  "close(0) behind a 204": [
    204,
    (stream) => {
      stream.respond({ ":status": 204 });
      stream.close(0);
    },
  ],
  "close(0) behind endStream": [
    200,
    (stream) => {
      stream.respond({}, { endStream: true });
      stream.close(0);
    },
  ],
  "close(8) behind a 304": [
    304,
    (stream) => {
      stream.respond({ ":status": 304 });
      stream.close(8);
    },
  ],
  "destroy() behind a 204": [
    204,
    (stream) => {
      stream.respond({ ":status": 204 });
      stream.destroy();
    },
  ],
  "the guard's own answer, behind close(0)": [500, (stream) => stream.close(0)],
  "the guard's own answer, behind destroy()": [500, (stream) => void stream.destroy()],
  "destroy() behind end()": [
    200,
    (stream) => {
      stream.respond();
      stream.end();
      stream.destroy();
    },
  ],
  "session.destroy() behind end()": [
    200,
    (stream) => {
      stream.respond();
      stream.end();
      stream.session?.destroy();
    },
  ],
};

/** Status of the answer to a request of which content may be still to come. */
async function statusOf(method: string, endStream: boolean, answers: Answers): Promise<unknown> {
  const server = http2.createServer().on("stream", answers);
  createGuard({ logger: false, shutdown: false }).attach(server);
  onTestFinished(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`).on("error", () => {});
  onTestFinished(() => client.destroy());
  const stream = client.request({ ":method": method }, { endStream }).on("error", () => {});
  let status: unknown;
  stream.on("response", (fields) => {
    status = fields[":status"];
  });
  stream.resume();
  await new Promise((resolve) => stream.once("close", resolve));
  return status;
}

describe.each([
  ["a GET", "GET", true],
  ["a HEAD", "HEAD", true],
  ["an upload", "POST", false],
])("a bare header section over HTTP/2, of %s", (_, method, endStream) => {
  it.each(Object.entries(WAYS))("arrives: %s", async (_way, [status, answers]) => {
    expect(await statusOf(method, endStream, answers)).toBe(status);
  });
});
