import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseResponse } from "../../src/testing/index.js";
import { NodeClient } from "./node-client.js";
import { STREAMS, type StreamCase } from "./streams/index.js";

type DecidedCase = StreamCase & { readonly nodeAccepts?: Exclude<StreamCase["nodeAccepts"], "at times" | undefined> };

const NODE_MAJOR = Number(process.versions.node.split(".", 1)[0]);

const client = new NodeClient();
beforeAll(() => client.start());
afterAll(() => client.stop());

/** Not those where Node goes on waiting and gives no verdict, and where its verdict is a matter of luck. */
const ENDED = Object.values(STREAMS)
  .flat()
  .filter((stream): stream is DecidedCase => stream.end !== "open" && stream.nodeAccepts !== "at times");

function named(streams: readonly DecidedCase[]): [string, DecidedCase][] {
  return streams.map((stream) => [stream.name, stream]);
}

describe("Node's own client accepts what is valid, and reads the same", () => {
  it.each(named(ENDED.filter(({ problems }) => problems.length === 0)))("%s", async (_name, stream) => {
    const response = parseResponse(Buffer.from(stream.octets, "latin1"), stream);
    const refusedConnect = stream.method === "CONNECT" && response?.status !== 200;
    expect(await client.read(stream)).toEqual({
      accepted: true,
      error: undefined,
      status: response?.status,
      // Whatever follows a response to CONNECT, Node leaves to the listener.
      content: refusedConnect ? "" : response?.content.toString("latin1"),
      trailers: response?.trailers,
      interim: response?.interim.map(({ status }) => status),
    });
  });
});

describe("Node's own client refuses what is invalid, unless the table says that it does not", () => {
  it.each(named(ENDED.filter(({ problems }) => problems.length > 0)))("%s", async (_name, stream) => {
    const { accepted, error } = await client.read(stream);
    const { nodeAccepts = false } = stream;
    const since = { "before 22": NODE_MAJOR < 22, "from 22": NODE_MAJOR >= 22 };
    expect({ accepted, error }).toMatchObject({
      accepted: typeof nodeAccepts === "string" ? since[nodeAccepts] : nodeAccepts,
    });
  });
});
