import { once } from "node:events";
import { readFileSync } from "node:fs";
import http2, { type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { IN_DETAIL } from "../src/cli/rule/in-detail.js";
import { createGuard, type GuardOptions } from "../src/index.js";
import { RULES, type RuleId } from "../src/validity/catalogue.js";
import { expectMarked, markedPart } from "./helpers/marked.js";
import { expectMentioned } from "./helpers/mentioned.js";
import { rulesPage } from "./helpers/rules-page.js";

const PAGE = "docs/reference/rules.md";
const RULE_TESTS = Object.entries(IN_DETAIL) as [RuleId, (typeof IN_DETAIL)[RuleId]][];

describe(PAGE, () => {
  it("has each rule of the catalogue once and in its order, 142 in all", () => {
    expectMarked(PAGE, "rules", rulesPage());
    const ids = [...markedPart(PAGE, "rules").matchAll(/^### (.*)$/gm)].map(([, id]) => id);
    expect(ids).toEqual(Object.keys(RULES));
    expect(ids).toHaveLength(142);
  });

  it("has lines that fit on a screen", () => {
    const long = markedPart(PAGE, "rules")
      .split("\n")
      .filter((line) => line.length > 120);
    expect(long).toEqual([]);
  });

  it("lists the rules that it cannot decide", () => {
    const undecided = Object.entries(RULES).filter(([, { tier, action }]) => tier === "linted" && action === "none");
    const text = readFileSync(new URL(`../${PAGE}`, import.meta.url), "utf8").replace(/\s+/g, " ");
    const listed = /they are not checked: ([^.]+)\./.exec(text)?.[1];
    expect(listed?.split(", ")).toEqual(undecided.map(([id]) => id));
  });

  it("says the rules that the lists of the tests have", () => {
    expect(RULE_TESTS.map(([id]) => id)).toEqual(Object.keys(RULES));
  });

  it.each(RULE_TESTS)("names a test of %s, which mentions it", (id, { tests }) => {
    const { tier, action } = RULES[id];
    // What no header section can decide has no test; that is said in words instead.
    if (tier === "linted" && action === "none") expect(tests).toEqual([]);
    else expect(tests).not.toEqual([]);
    expectMentioned(id, tests);
  });

  it.each(RULE_TESTS.filter(([id]) => RULES[id].action !== "report"))(
    "says of %s what happens, or why nothing does",
    (_id, { detail }) => {
      expect(detail).toMatch(/^[A-Z0-9`].*\.$/);
    },
  );
});

type Listener = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

const open: { close(): unknown }[] = [];

afterEach(() => {
  for (const one of open.splice(0).reverse()) one.close();
});

// Node keeps HF-16 and TR-5; should their tests fail on a new Node, the rules need a guard.
describe("rules of HTTP/2 that no other file tests under their ids", () => {
  it("HF-16: names go out in lower case, and fields of the connection not at all", async () => {
    const { headers } = await ask((_request, response) => {
      response.setHeader("X-Upper", "1");
      response.setHeader("Connection", "keep-alive");
      response.end();
    });
    expect(headers).toMatchObject({ ":status": 200, "x-upper": "1" });
    expect(headers).not.toHaveProperty("connection");
  });

  it("HF-16: respond() throws for fields of the connection", async () => {
    let code: unknown;
    await ask((_request, { stream }) => {
      try {
        stream.respond({ connection: "close" });
      } catch (error) {
        code = (error as NodeJS.ErrnoException).code;
      }
      stream.close();
    });
    expect(code).toBe("ERR_HTTP2_INVALID_CONNECTION_HEADERS");
  });

  it("TR-5: a pseudo-header field is refused, and the trailers end the stream", async () => {
    const { trailers, content, ended } = await ask((_request, response) => {
      response.write("abc");
      expect(() => response.addTrailers({ ":status": "200" })).toThrow(
        expect.objectContaining({ code: "ERR_HTTP2_PSEUDOHEADER_NOT_ALLOWED" }),
      );
      response.addTrailers({ "x-sum": "6" });
      response.end();
    });
    expect(trailers).toMatchObject({ "x-sum": "6" });
    expect({ content, ended }).toEqual({ content: "abc", ended: true });
  });

  it.each([
    ["less", "abc", 9],
    ["more", "abc", 2],
  ])("FR-19: content with %s octets than content-length is replaced", async (_how, sent, length) => {
    const listener: Listener = (_request, response) => {
      response.writeHead(200, { "content-length": length });
      response.end(sent);
    };
    const { headers, content, code } = await ask(listener, { logger: false });
    expect({ status: headers[":status"], code }).toEqual({ status: 500, code: http2.constants.NGHTTP2_NO_ERROR });
    expect(headers["content-length"]).toBe(String(Buffer.byteLength(content)));
  });

  it.each([
    ["less", "c", 9],
    ["more", "cdefghijkl", 9],
  ])("FR-19: the stream is reset where there are %s octets once it has begun", async (_how, rest, length) => {
    const listener: Listener = (_request, response) => {
      response.writeHead(200, { "content-length": length });
      response.write("ab");
      setTimeout(() => response.end(rest), 20);
    };
    const { headers, code } = await ask(listener, { logger: false, holdBackOctets: 0 });
    expect({ status: headers[":status"], code }).toEqual({
      status: 200,
      code: http2.constants.NGHTTP2_INTERNAL_ERROR,
    });
  });
});

/** What a client sees of one stream, from an origin server with a guard where there are options for it. */
async function ask(listener: Listener, options?: GuardOptions) {
  const server = http2.createServer(listener);
  if (options !== undefined) createGuard(options).attach(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  client.on("error", () => {});
  open.push(server, client);
  const stream = client.request({ ":path": "/" });
  const seen = { headers: {} as Record<string, unknown>, trailers: {} as Record<string, unknown>, ended: false };
  const chunks: Buffer[] = [];
  stream.on("response", (headers) => Object.assign(seen.headers, headers));
  stream.on("trailers", (trailers) => Object.assign(seen.trailers, trailers));
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("end", () => {
    seen.ended = true;
  });
  stream.on("error", () => {});
  await new Promise((resolve) => stream.on("close", resolve));
  return { ...seen, content: Buffer.concat(chunks).toString(), code: stream.rstCode };
}
