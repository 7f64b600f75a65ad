import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import type http2 from "node:http2";
import type { ServerHttp2Stream } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { seen, send, start, stopAll } from "./helpers/http2.js";

afterAll(stopAll);

let directory: string;
let file: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "rayguard-http2-"));
  file = join(directory, "file");
  writeFileSync(file, Buffer.alloc(1_000, "x"));
});
afterAll(() => rmSync(directory, { recursive: true }));

type Answer = (stream: ServerHttp2Stream) => unknown;

/** What a client gets of an answer, and what is told of it. */
async function outcome(answer: Answer, mode: "bare" | "enforce" | "report", settings: http2.Settings = {}) {
  const lines: unknown[] = [];
  const told: unknown[] = [];
  const info = (record: object) => {
    const { outcome, octets, status, action, code, prevented } = record as Record<string, unknown>;
    if (outcome !== undefined) lines.push({ outcome, octets, status });
    else if (action !== undefined) told.push({ code, prevented });
  };
  const logger = { info, warn: info, error: info };
  const { client } = await start(
    (server) => server.on("stream", (stream) => answer(stream.on("error", () => {}))),
    mode === "bare" ? undefined : { mode, logger, shutdown: false },
  );
  client.settings(settings);
  await new Promise((resolve) => client.ping(resolve as never));
  const got = await seen(send(client));
  if (mode !== "bare") await vi.waitFor(() => expect(lines).toHaveLength(1));
  return { got, told, line: lines[0], isOpen: !client.closed && !client.destroyed };
}

const checked =
  (change: (headers: http2.OutgoingHttpHeaders) => unknown): Answer =>
  (stream) =>
    stream.respondWithFile(file, {}, { statCheck: (_stat, headers) => void change(headers) });

const opened =
  (headers: http2.OutgoingHttpHeaders): Answer =>
  (stream) => {
    const fd = openSync(file, "r");
    stream.on("close", () => closeSync(fd));
    stream.respondWithFD(fd, headers);
  };

const CASES: readonly [what: string, answer: Answer, told: [string, number | null], status: number][] = [
  ["CR LF of a statCheck", checked((headers) => (headers["x-a"] = "a\r\nb")), ["HF-3", 520], 200],
  ["a name of a statCheck", checked((headers) => (headers["x a"] = "1")), ["HF-1", 520], 200],
  ["a status of a statCheck", checked((headers) => (headers[":status"] = 700)), ["SL-1", null], 500],
  ["an interim status of a statCheck", checked((headers) => (headers[":status"] = 103)), ["SL-3", 524], 500],
  [
    "a status of a statCheck that has no content",
    checked((headers) => (headers[":status"] = 204)),
    ["FR-5", null],
    204,
  ],
  [
    "more than Node sends, of a statCheck",
    checked((headers) => (headers["x-a"] = "a".repeat(80_000))),
    ["HF-18", 520],
    500,
  ],
  ["a range behind the end", (stream) => stream.respondWithFile(file, {}, { offset: 5_000 }), ["FR-2", 520], 500],
  ["a field of HTTP/1.1", (stream) => stream.respondWithFile(file, { connection: "close" }), ["MC-2", 520], 500],
  ["a field of HTTP/1.1, of a statCheck", checked((headers) => (headers.connection = "close")), ["MC-2", 520], 500],
  ["a field of HTTP/1.1, of an open file", opened({ connection: "close" }), ["MC-2", 520], 500],
  ["more announced than there is", opened({ "content-length": 5_000 }), ["MC-5", null], 500],
  ["less announced than there is", opened({ "content-length": 10 }), ["MC-7", null], 500],
];

describe("the header section of a file over HTTP/2", () => {
  it.each(CASES)("is judged as it is about to be sent: %s", async (_what, answer, [code, prevented], status) => {
    const { got, told, isOpen } = await outcome(answer, "enforce");
    expect({ got: got.status, complete: got.complete, isOpen }).toEqual({ got: status, complete: true, isOpen: true });
    expect(told).toEqual([{ code, prevented }]);
  });

  it.each(CASES)(
    "is told in report mode, where all is as without a guard: %s",
    async (what, answer, [code, prevented]) => {
      const { got, told } = await outcome(answer, "report");
      // Node refuses the name, and says that it has ended the stream.
      const names = what.startsWith("a name") ? "MC-2" : code;
      expect(told[0]).toEqual({ code: names, prevented });
      // What is left of a stream that the client has refused depends on how soon it does.
      const bare = (await outcome(answer, "bare")).got;
      expect({ ...got, octets: bare.complete ? got.octets : 0 }).toEqual({
        ...bare,
        octets: bare.complete ? bare.octets : 0,
      });
    },
  );

  it.each(["enforce", "report"] as const)("is not judged where another is sent: %s", async (mode) => {
    const answer: Answer = (stream) => {
      const onError = () => {
        stream.respond({ ":status": 404, "content-length": 4 });
        stream.end("none");
      };
      stream.respondWithFile("/not/there", { "a:b": "c" }, { onError });
    };
    expect(await outcome(answer, mode)).toMatchObject({
      told: [],
      line: { outcome: "intact", octets: 4, status: 404 },
    });
  });
});

describe.each(["enforce", "report"] as const)("the line of a file over HTTP/2: %s", (mode) => {
  it("counts what is sent where nothing announces it", async () => {
    expect((await outcome(opened({}), mode)).line).toEqual({ outcome: "intact", octets: 1_000, status: 200 });
  });

  it("does not count what the app breaks off", async () => {
    const answer: Answer = (stream) => {
      stream.respondWithFile(file);
      setTimeout(() => stream.destroy(), 200);
    };
    const { line } = await outcome(answer, mode, { initialWindowSize: 0 });
    expect(line).toEqual({ outcome: mode === "report" ? "client gone" : "torn down", octets: 0, status: 200 });
  });
});
