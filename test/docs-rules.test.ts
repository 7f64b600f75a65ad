import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import http2, { type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { createGuard, type GuardOptions } from "../src/index.js";
import { RULES, type Rule, type RuleId } from "../src/validity/catalogue.js";
import { askedOf, type EdgeEffect } from "../src/validity/edge-effects.js";

const ROOT = new URL("../", import.meta.url);
const COLUMNS = ["id", "level", "rule", "source", "tier", "action", "in detail", "tested in"];
const NOTHING = "–";

interface Row {
  readonly id: RuleId;
  readonly rule: Rule;
  readonly detail: string;
  readonly tests: readonly string[];
}

const lines = readFileSync(new URL("docs/rules.md", ROOT), "utf8").split("\n");
const rows: Row[] = lines
  .filter((line) => /^\| [A-Z]{2}-\d+ +\|/.test(line))
  .map(cellsOf)
  .map(([id = "", level = "", statement = "", source = "", tier = "", action = "", detail = "", tests = ""]) => ({
    id: id as RuleId,
    rule: { level, tier, action, source, statement } as Rule,
    detail,
    tests: [...tests.matchAll(/`([^`]+)`/g)].map(([, file]) => file as string),
  }));

describe("docs/rules.md", () => {
  it("has each rule of the catalogue once and in its order, 142 in all", () => {
    expect(rows.map(({ id }) => id)).toEqual(Object.keys(RULES));
    expect(rows).toHaveLength(142);
  });

  it("has the same columns in every table", () => {
    const headings = lines.filter((line) => /^\| id +\|/.test(line));
    expect(headings.map(cellsOf)).toEqual(headings.map(() => COLUMNS));
    expect(headings).toHaveLength(11);
  });

  it("lists the rules that it cannot decide", () => {
    const undecided = rows.filter(({ rule }) => rule.tier === "linted" && rule.action === "none").map(({ id }) => id);
    const listed = /takes silence for approval: ([^.]+)\./.exec(lines.join(" ").replace(/\s+/g, " "))?.[1];
    expect(listed?.split(", ")).toEqual(undecided);
  });

  it.each(rows.map((row) => [row.id, row] as const))("says of %s what the catalogue says", (id, { rule }) => {
    expect(rule).toEqual(RULES[id]);
  });

  it("says of every guarded rule what an edge makes of it, as the log does", () => {
    const told = lines
      .filter((line) => /^\| `[A-Z]{2}-\d+` \|/.test(line))
      .map(cellsOf)
      .map(([rule, ...rest]) => [rule?.replaceAll("`", ""), ...rest]);
    const guarded = rows.filter(({ rule }) => rule.tier === "guarded").map(({ id }) => [id, ...atTheEdge(id)]);
    expect(told).toEqual(guarded);
  });

  it.each(rows.map((row) => [row.id, row] as const))("names a test of %s, which mentions it", (id, { rule, tests }) => {
    // What no header section can decide has no test; that is said in words instead.
    if (rule.tier === "linted" && rule.action === "none") expect(tests).toEqual([]);
    else expect(tests).not.toEqual([]);
    for (const file of tests) {
      const url = new URL(file, ROOT);
      expect(existsSync(url), `${file} exists`).toBe(true);
      expect(readFileSync(fileURLToPath(url), "utf8"), `${file} mentions ${id}`).toMatch(new RegExp(`\\b${id}\\b`));
    }
  });

  it.each(rows.filter(({ rule }) => rule.action !== "report").map((row) => [row.id, row.detail] as const))(
    "says of %s what happens, or why nothing does",
    (_id, detail) => {
      expect(detail).not.toBe(NOTHING);
      expect(detail).toMatch(/^[A-Z0-9`].*\.$/);
    },
  );
});

/** Words of the table "At the edge". */
const SHOWN: Readonly<Record<EdgeEffect, string>> = {
  empty: "520",
  waits: "524",
  refused: "522 or 524",
  cut: "cut",
  spills: "the next response",
  page: "502",
  passes: "nothing",
  rarely: "nothing known",
};

function atTheEdge(id: RuleId): string[] {
  const { effect, pingora, workerd } = askedOf(id) ?? { effect: "passes", pingora: null, workerd: null };
  return [SHOWN[effect], pingora ?? "not asked", workerd ?? "not asked"];
}

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

function cellsOf(line: string): string[] {
  return line
    .slice(1, line.lastIndexOf("|"))
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll("\\|", "|"));
}
