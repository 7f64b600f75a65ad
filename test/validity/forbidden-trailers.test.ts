import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import http2 from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { describe, expect, it } from "vitest";
import { NEVER_IN_TRAILERS, writtenName } from "../../src/http/fields.js";
import { createGuard } from "../../src/index.js";
import { exchange, parseResponse } from "../../src/testing/index.js";
import { lint } from "../../src/validity/lint.js";
import { listen } from "../testing/servers.js";

/** Fields whose definitions permit them in a trailer section, or say nothing. */
const PERMITTED = [
  "ETag",
  "Digest",
  "Content-Digest",
  "Server-Timing",
  "Authentication-Info",
  "X-Sum",
  "Link",
  "Allow",
];

const names = [...[...NEVER_IN_TRAILERS].map(writtenName), ...PERMITTED];

const isForbidden = (name: string) => NEVER_IN_TRAILERS.has(name.toLowerCase());

/** A value each of them may have, so that nothing but the name is wrong. */
const VALUE = "1";

function guarded() {
  const codes: string[] = [];
  const note = (record: { code?: string }) => {
    if (record.code !== undefined) codes.push(record.code);
  };
  return { codes, guard: createGuard({ logger: { info: note, warn: note, error: note } }) };
}

it("sixteen names at least are known to be forbidden, and every one in lower case", () => {
  expect(NEVER_IN_TRAILERS.size).toBeGreaterThan(16);
  expect([...NEVER_IN_TRAILERS]).toEqual([...NEVER_IN_TRAILERS].map((name) => name.toLowerCase()));
});

describe.each(names)("%s as a trailer: guard, parser and lint agree", (name) => {
  const forbidden = isForbidden(name);

  it("the parser", () => {
    const octets = `HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${name}: ${VALUE}\r\n\r\n`;
    const problems = parseResponse(Buffer.from(octets))?.problems.map(({ rule }) => rule);
    expect(problems).toEqual(forbidden ? ["TR-2"] : []);
  });

  it("the lint, of its announcement", () => {
    const findings = lint({
      request: { method: "GET", version: "1.1", headers: { te: "trailers" }, encrypted: false },
      head: { status: 200, fields: [["Trailer", name]] },
      contentOctets: undefined,
      now: 0,
    });
    expect(findings.filter(({ rule }) => rule === "TR-3")).toHaveLength(forbidden ? 1 : 0);
  });

  it("the guard, over HTTP/1.1", async () => {
    const { codes, guard } = guarded();
    const listener: RequestListener = (_request, response) => {
      response.setHeader("Trailer", `X-First, ${name}`);
      response.write("ok");
      response.addTrailers({ "X-First": "1", [name]: VALUE });
      response.end();
    };
    const { responses, problems } = await exchange(await listen(guard.attach(createServer(listener))), { path: "/" });
    expect(problems).toEqual([]);
    expect(responses[0]?.field("trailer")).toBe(forbidden ? "X-First" : `X-First, ${name}`);
    expect(responses[0]?.trailers).toEqual(
      forbidden
        ? [["X-First", "1"]]
        : [
            ["X-First", "1"],
            [name, VALUE],
          ],
    );
    expect(codes).toEqual(forbidden ? ["TR-2"] : []);
  });

  it("the guard, over HTTP/2", async () => {
    const { codes, guard } = guarded();
    let refused = false;
    const server = http2.createServer((_request, response) => {
      response.setHeader("Trailer", name);
      response.write("ok");
      response.addTrailers({ "X-First": "1" });
      try {
        response.addTrailers({ [name]: VALUE });
      } catch {
        refused = true; // what belongs to a connection, Node refuses
      }
      response.end();
    });
    await listen(guard.attach(server) as unknown as Server);
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const stream = client.request({ ":path": "/" });
    const seen: Record<string, unknown> = {};
    let announced: unknown;
    stream.on("response", (fields) => {
      announced = fields.trailer;
    });
    stream.on("trailers", (trailers) => Object.assign(seen, trailers));
    stream.resume();
    await once(stream, "close");
    client.close();
    expect(Object.keys(seen)).toEqual(forbidden || refused ? ["x-first"] : ["x-first", name.toLowerCase()]);
    expect(announced).toBe(forbidden ? undefined : name);
    expect(codes).toEqual(forbidden ? ["TR-2"] : []);
  });
});
