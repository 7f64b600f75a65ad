import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ResponseReader } from "../../src/parser/response-reader.js";
import { type ParsedResponse, parseResponse } from "../../src/testing/index.js";
import { NodeClient } from "./node-client.js";
import { STREAMS, type StreamCase } from "./streams/index.js";

const ALL = Object.values(STREAMS).flat();
const VALID = ALL.filter(({ problems }) => problems.length === 0);
/** Valid ones whose end shows in their octets. */
const DELIMITED = VALID.filter((stream) => {
  const response = parseResponse(Buffer.from(stream.octets, "latin1"), stream);
  return response?.framing !== "close" && response?.status !== 101 && stream.method !== "CONNECT";
});
/** Octets that mean something to the grammar, and some that never may. */
const OCTETS = [...'\r\n \t:;,="/\\059aAfFxX-+.\0\x01\x7f\x80\xff'];

/** Everything but messages, which may quote what happens to have arrived. */
function facts(response: ParsedResponse | undefined): unknown {
  const problems = response?.problems.map(({ code, offset, rule }) => ({ code, offset, rule }));
  return { ...response, problems };
}

function readInSegments(stream: StreamCase, cuts: readonly number[]): ParsedResponse | undefined {
  const { method = "GET", requestVersion = "1.1", end = "fin" } = stream;
  const octets = Buffer.from(stream.octets, "latin1");
  const reader = new ResponseReader();
  reader.expect({ method, version: requestVersion });
  let at = 0;
  for (const cut of [...cuts, octets.length]) {
    reader.push(octets.subarray(at, cut));
    at = cut;
  }
  reader.stop(end);
  return reader.responses[0];
}

describe("a stream in segments", () => {
  it.each(ALL.map((stream) => [stream.name, stream] as const))("reads the same octet by octet: %s", (_name, stream) => {
    const whole = readInSegments(stream, []);
    const cuts = Array.from(stream.octets, (_octet, at) => at);
    expect(facts(readInSegments(stream, cuts))).toEqual(facts(whole));
  });

  it("reads the same however it is cut", () => {
    fc.assert(
      fc.property(fc.constantFrom(...ALL), fc.array(fc.nat(300), { maxLength: 5 }), (stream, places) => {
        const cuts = places.filter((place) => place <= stream.octets.length).sort((a, b) => a - b);
        expect(facts(readInSegments(stream, cuts))).toEqual(facts(readInSegments(stream, [])));
      }),
    );
  });
});

describe("no false completeness", () => {
  it.each(["fin", "reset", "open"] as const)("every beginning of a delimited response is incomplete: %s", (end) => {
    for (const stream of DELIMITED) {
      const octets = Buffer.from(stream.octets, "latin1");
      for (let length = 1; length < octets.length; length += 1) {
        const response = parseResponse(octets.subarray(0, length), { ...stream, end });
        expect(response, `${stream.name}, ${length} octets`).toMatchObject({
          complete: false,
          closes: true,
          end: length,
        });
        expect(response?.problems.length).toBeGreaterThan(0);
      }
    }
  });

  it("every octet behind a delimited response is surplus", () => {
    for (const stream of DELIMITED) {
      const response = parseResponse(Buffer.from(`${stream.octets}H`, "latin1"), stream);
      expect(response?.problems, stream.name).toMatchObject([{ code: "surplus-octets", offset: stream.octets.length }]);
    }
  });
});

describe("octets of any kind", () => {
  it("never make the parser throw, and offsets stay within the stream", () => {
    const piece = fc.oneof(
      fc.constantFrom(...OCTETS, "HTTP/1.1 ", "200 OK\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 3\r\n"),
      fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((octet) => String.fromCharCode(octet)) }),
    );
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1 }), (pieces) => {
        const octets = Buffer.from(pieces.join(""), "latin1");
        const response = parseResponse(octets);
        if (response === null) return;
        const offsets = [response.start, response.end, ...response.problems.map(({ offset }) => offset)];
        for (const offset of offsets) expect(offset).toBeLessThanOrEqual(octets.length);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("a valid stream with one octet changed", () => {
  const client = new NodeClient();
  beforeAll(() => client.start());
  afterAll(() => client.stop());

  const change = fc.record({
    stream: fc.constantFrom(...VALID.filter(({ end, method }) => end === undefined && method !== "CONNECT")),
    // Without bias: otherwise most places are the first octet.
    place: fc.noBias(fc.nat(99_999)),
    octet: fc.constantFrom(...OCTETS),
    kind: fc.constantFrom("insert", "replace", "delete"),
  });

  it("is accepted by Node's own client wherever it is still called valid", async () => {
    await fc.assert(
      fc.asyncProperty(change, async ({ stream, place, octet, kind }) => {
        const at = place % stream.octets.length;
        const behind = kind === "insert" ? at : at + 1;
        const octets = stream.octets.slice(0, at) + (kind === "delete" ? "" : octet) + stream.octets.slice(behind);
        const response = parseResponse(Buffer.from(octets, "latin1"), stream);
        if (response === null || response.problems.length > 0) return;
        const { accepted, error, content, status } = await client.read({ ...stream, octets });
        expect({ accepted, error, content, status }, JSON.stringify(octets)).toEqual({
          accepted: true,
          error: undefined,
          content: response.content.toString("latin1"),
          status: response.status,
        });
      }),
      { numRuns: Number(process.env.RAYGUARD_RUNS ?? 1000) },
    );
  });
});
