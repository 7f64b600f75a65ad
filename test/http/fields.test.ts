import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import http2, { type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import {
  DESCRIBES_CONTENT,
  FRAMING,
  HOP_BY_HOP,
  LIST_VALUED,
  NEVER_IN_TRAILERS,
  REQUEST_ONLY,
  SINGLE_VALUED,
  SINGLE_VALUED_IN_HTTP,
  writtenName,
} from "../../src/http/fields.js";
import { createGuard } from "../../src/index.js";
import { parseResponse } from "../../src/parser/parse-response.js";
import { exchange } from "../../src/testing/index.js";
import { lint } from "../../src/validity/lint.js";
import { listen } from "../testing/servers.js";

const DATE = "Sun, 06 Nov 1994 08:49:37 GMT";
const SETS = {
  HOP_BY_HOP,
  FRAMING,
  SINGLE_VALUED_IN_HTTP,
  SINGLE_VALUED,
  LIST_VALUED: new Set(LIST_VALUED.keys()),
  REQUEST_ONLY,
  DESCRIBES_CONTENT,
  NEVER_IN_TRAILERS,
};

type Lines = readonly (readonly [name: string, value: string])[];

/** A value with which nothing but the repetition is wrong. */
function plainValue(name: string): string {
  return /^(?:date|expires|last-modified)$/.test(name) ? DATE : "1";
}

/** Incidents of a guarded server that answers, and the response. */
async function guarded(listener: RequestListener) {
  const codes: string[] = [];
  const note = (record: { code?: string }) => {
    if (record.code !== undefined) codes.push(record.code);
  };
  const guard = createGuard({ logger: { info: note, warn: note, error: note } });
  const { responses, problems } = await exchange(await listen(guard.attach(createServer(listener))), { path: "/" });
  return { codes, response: responses[0], problems };
}

function lintedRules(fields: Lines): string[] {
  const findings = lint({
    request: { method: "GET", version: "1.1", headers: { te: "trailers" }, encrypted: true },
    head: { status: 200, fields },
    contentOctets: 2,
    now: 0,
  });
  return findings.map(({ rule }) => rule);
}

function parsedRules(fields: Lines): (string | undefined)[] {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const date = fields.some(([name]) => name.toLowerCase() === "date") ? "" : `Date: ${DATE}\r\n`;
  const octets = `HTTP/1.1 200 OK\r\n${date}Content-Length: 2\r\n${lines}\r\nok`;
  return parseResponse(Buffer.from(octets, "latin1"))?.problems.map(({ rule }) => rule) ?? [];
}

describe.each(Object.entries(SETS))("the set %s", (_name, set) => {
  it("has every name in lower case, and written as people write it is the same name", () => {
    expect(set.size).toBeGreaterThan(1);
    for (const name of set) {
      expect(name).toBe(name.toLowerCase());
      expect(writtenName(name).toLowerCase()).toBe(name);
    }
  });
});

it("a name that joins or leaves a set is noticed", () => {
  const sizes = Object.entries(SETS).map(([name, { size }]) => [name, size]);
  expect(Object.fromEntries(sizes)).toEqual({
    HOP_BY_HOP: 7,
    FRAMING: 2,
    SINGLE_VALUED_IN_HTTP: 11,
    SINGLE_VALUED: 22,
    LIST_VALUED: 23,
    REQUEST_ONLY: 25,
    DESCRIBES_CONTENT: 13,
    NEVER_IN_TRAILERS: 38,
  });
});

it("no field has one value and a list of them", () => {
  expect([...SINGLE_VALUED].filter((name) => LIST_VALUED.has(name))).toEqual([]);
});

it("fields of a connection and of framing are never in trailers", () => {
  expect([...HOP_BY_HOP, ...FRAMING].filter((name) => !NEVER_IN_TRAILERS.has(name))).toEqual([]);
});

describe.each([...SINGLE_VALUED])("two lines of %s", (name) => {
  const written = writtenName(name);
  const lines: Lines = [
    [written, plainValue(name)],
    [name, plainValue(name)],
  ];
  const isInHttp = SINGLE_VALUED_IN_HTTP.has(name);

  it("are found by the parser", () => {
    expect(parsedRules(lines)).toEqual(["HF-10"]);
  });

  it("are for the guard to mend, or for the lint to report", () => {
    const rule = name === "strict-transport-security" ? "XS-3" : "HF-10";
    expect(lintedRules(lines).includes(rule)).toBe(!isInHttp);
  });

  it.each(["as names and values", "as pairs", "as a list of values"])(
    "given %s, leave as one of HTTP",
    async (form) => {
      const { codes, response } = await guarded((_request, res) => {
        if (form === "as names and values") res.writeHead(200, lines.flat());
        else if (form === "as pairs") res.writeHead(200, lines as never);
        else
          res.setHeader(
            name,
            lines.map(([, value]) => value),
          );
        res.end("ok");
      });
      expect(codes).toEqual(isInHttp ? ["HF-10"] : []);
      expect(response?.fieldLines(name)).toEqual(lines.slice(isInHttp ? 1 : 0).map(([, value]) => value));
    },
  );

  it("written to the socket by the app are judged alike", async () => {
    const section = lines.map(([key, value]) => `${key}: ${value}\r\n`).join("");
    const date = name === "date" ? "" : `Date: ${DATE}\r\n`;
    const { response } = await guarded((request) => {
      request.socket.end(`HTTP/1.1 200 OK\r\n${date}${section}Content-Length: 2\r\nConnection: close\r\n\r\nok`);
    });
    expect(response?.status).toBe(isInHttp ? 500 : 200);
    if (!isInHttp) expect(response?.fieldLines(name)).toHaveLength(2);
  });
});

describe.each([...LIST_VALUED.keys()])("two lines of %s, a list", (name) => {
  const lines: Lines = [
    [writtenName(name), "chunked"],
    [name, "chunked"],
  ];

  it("are no repetition to the parser, the lint and the guard", async () => {
    expect(parsedRules(lines)).not.toContain("HF-10");
    expect(lintedRules(lines)).not.toContain("HF-10");
    const { codes } = await guarded((_request, response) => response.writeHead(200, lines.flat()).end("ok"));
    expect(codes).not.toContain("HF-10");
  });

  it("have an empty element that the lint reports", () => {
    expect(lintedRules([[name, "a,,b"]])).toContain("HF-11");
  });
});

describe.each([...REQUEST_ONLY])("%s in a response", (name) => {
  it("is for the lint to report, and goes out", async () => {
    expect(lintedRules([[writtenName(name), "1"]])).toContain("HF-14");
    const { codes, response, problems } = await guarded((_request, res) =>
      res.writeHead(200, { [name]: "1" }).end("ok"),
    );
    expect(codes).toEqual([]);
    expect(problems).toEqual([]);
    expect(response?.field(name)).toBe("1");
  });
});

describe.each([...HOP_BY_HOP])("%s over HTTP/2", (name) => {
  it("is refused as bare Node refuses it", async () => {
    expect(await refusal(name, true)).toBe(await refusal(name, false));
  });
});

describe.each([...DESCRIBES_CONTENT])("%s of content that is lost", (name) => {
  it("is not said of the content that takes its place", async () => {
    const { response } = await guarded((_request, res) => {
      res.setHeader(
        name,
        name === "content-length" ? "12345" : name === "content-type" ? "image/png" : plainValue(name),
      );
      throw new Error("lost");
    });
    expect(response?.status).toBe(500);
    const own = name === "content-length" || name === "content-type";
    expect(response?.fieldLines(name)).toHaveLength(own ? 1 : 0);
    expect(["12345", "image/png"]).not.toContain(response?.field(name));
  });
});

/** The code of what `respond()` throws for a field. */
async function refusal(name: string, isGuarded: boolean): Promise<string> {
  const server = http2.createServer();
  if (isGuarded) createGuard({ logger: false }).attach(server);
  const thrown = new Promise<string>((resolve) => {
    server.on("stream", (stream: ServerHttp2Stream) => {
      try {
        stream.respond({ [name]: "x" });
        resolve("none");
      } catch (error) {
        resolve((error as { code: string }).code);
        stream.respond();
      }
      stream.end();
    });
  });
  await listen(server);
  const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const stream = session.request({ ":path": "/" }).resume();
  stream.on("error", () => undefined);
  await once(stream, "close");
  session.close();
  return thrown;
}
