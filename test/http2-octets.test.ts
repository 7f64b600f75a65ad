import type { ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { afterAll, describe, expect, it, vi } from "vitest";
import type { GuardOptions } from "../src/index.js";
import { seen, send, start, stopAll } from "./helpers/http2.js";

afterAll(stopAll);

const BREAKS: Readonly<Record<string, (stream: ServerHttp2Stream, socket: Socket) => unknown>> = {
  "close()": (stream) => stream.close(),
  "close(INTERNAL_ERROR)": (stream) => stream.close(2),
  "close(CANCEL)": (stream) => stream.close(8),
  "destroy()": (stream) => stream.destroy(),
  "destroy(error)": (stream) => stream.destroy(new Error("mine")),
  "session.destroy()": (stream) => stream.session?.destroy(),
  "session.destroy(error)": (stream) => stream.session?.destroy(new Error("mine")),
  "socket.end()": (_stream, socket) => socket.end(),
  "socket.destroy()": (_stream, socket) => socket.destroy(),
};

type Content = (stream: ServerHttp2Stream) => unknown;

const CONTENTS: Readonly<Record<string, Content>> = {
  "behind a write": (stream) => stream.write("abc"),
  "behind several writes": (stream) => {
    for (const text of ["a", "bc", "def"]) stream.write(text);
  },
  "behind the end": (stream) => stream.end(Buffer.alloc(60_000)),
};

/** What the log says of a response that the app breaks off, and what its recipient has got. */
async function counted(
  mode: "enforce" | "report",
  content: Content,
  breakOff: (stream: ServerHttp2Stream, socket: Socket) => unknown,
  { initialWindowSize = 65_535, ms = 0 } = {},
) {
  const lines: { octets: number; outcome: string }[] = [];
  const logger = { info: (line: object) => lines.push(line as never), warn() {}, error() {} };
  const options: GuardOptions = { mode, logger, shutdown: false, holdBackOctets: 0 };
  const { client, socket } = await start((server) => {
    server.on("stream", async (stream) => {
      stream.on("error", () => {}).respond();
      const below = (socket as unknown as { value: Socket }).value;
      content(stream);
      if (ms === 0) breakOff(stream, below);
      else setTimeout(breakOff, ms, stream, below);
    });
  }, options);
  Object.assign(socket, { value: await socket });
  client.settings({ initialWindowSize });
  await new Promise((resolve) => client.ping(resolve as never));
  const { octets } = await seen(send(client));
  await vi.waitFor(() => expect(lines).toHaveLength(1));
  return { got: octets, line: lines[0] };
}

describe.each(["enforce", "report"] as const)("octets of a response that its app breaks off: %s", (mode) => {
  const cases = Object.keys(BREAKS).flatMap((how) => Object.keys(CONTENTS).map((when) => [how, when] as const));

  // Node never comes to the end of such a stream.
  const endless = (how: string, when: string) =>
    mode === "report" && how === "close()" && when === "behind several writes";

  it.each(cases.filter(([how, when]) => !endless(how, when)))(
    "by %s %s are those that the recipient gets",
    async (how, when) => {
      const { got, line } = await counted(mode, CONTENTS[when] as Content, BREAKS[how] as never);
      expect(line?.octets).toBe(got);
    },
  );

  it.each(Object.keys(BREAKS).filter((how) => mode === "enforce" || how !== "close()"))(
    "by %s are none where its window is closed",
    async (how) => {
      const behind = { initialWindowSize: 0, ms: 100 };
      const { got, line } = await counted(mode, (stream) => stream.write("abc"), BREAKS[how] as never, behind);
      expect({ got, octets: line?.octets }).toEqual({ got: 0, octets: 0 });
    },
  );
});

it.each(["destroy()", "session.destroy()"])(
  "a response that %s cuts short is not intact in report mode",
  async (how) => {
    const { got, line } = await counted("report", (stream) => stream.end(Buffer.alloc(200_000)), BREAKS[how] as never);
    expect(got).toBeLessThan(200_000);
    expect(line).toMatchObject({ outcome: "client gone", octets: 0 });
  },
);
