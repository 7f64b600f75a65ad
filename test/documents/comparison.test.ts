import { once } from "node:events";
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import express, { type RequestHandler } from "express";
import helmet from "helmet";
import { expect, it } from "vitest";
import { rayguard } from "../../adapters/express.js";
import { exchange } from "../../src/testing/index.js";
import { expectMarked } from "../helpers/marked.js";

// The types of the one change those of node:http for all tests, and the other has none.
const load = createRequire(import.meta.url);
const { pinoHttp } = load("pino-http") as { pinoHttp: (options: object) => RequestHandler };
const timeout = load("connect-timeout") as (time: string) => RequestHandler;

const FAULTS: Readonly<Record<string, RequestHandler>> = {
  "the socket is destroyed": (request) => void request.socket.destroy(),
  "content shorter than its length": (_request, response) =>
    void response.writeHead(200, { "Content-Length": 9 }).end("four"),
  "a stream that fails at its start": (_request, response) => {
    const source = new Readable({ read: () => source.destroy(new Error("gone")) });
    source.on("error", () => response.destroy());
    source.pipe(response);
  },
  "a stream that fails behind its first piece": (_request, response) => {
    const source = new Readable({ read() {} });
    source.on("error", () => response.destroy());
    source.pipe(response);
    source.push("a piece");
    setImmediate(() => source.destroy(new Error("gone")));
  },
  "a handler that never answers": () => {},
};

const PACKAGES: Readonly<Record<string, () => RequestHandler>> = {
  bare: () => (_request, _response, next) => next(),
  helmet: () => helmet(),
  "pino-http": () => pinoHttp({ enabled: false }),
  "connect-timeout": () => timeout("200ms"),
  rayguard: () => rayguard({ logger: false, shutdown: false, firstByteDeadlineMs: 200 }),
};

/** What a client gets of each fault. */
async function outcomes(middleware: RequestHandler): Promise<string[]> {
  const app = express();
  // The final handler of Express prints what it is given.
  app.set("env", "test");
  app.use(middleware);
  const names = Object.keys(FAULTS);
  for (const [i, act] of Object.values(FAULTS).entries()) app.get(`/${i}`, act);
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  const seen: string[] = [];
  for (const i of names.keys()) {
    const { responses, valid, timedOut } = await exchange(server, { path: `/${i}` }, { timeoutMs: 1_000 });
    if (valid) seen.push(`${responses[0]?.status}`);
    else if (timedOut) seen.push("hangs");
    else seen.push(responses.length === 0 ? "nothing" : "cut");
  }
  server.closeAllConnections();
  server.close();
  return seen;
}

it("docs/comparison.md has what a client gets of each fault", { timeout: 60_000 }, async () => {
  const columns: string[][] = [];
  for (const make of Object.values(PACKAGES)) columns.push(await outcomes(make()));
  const names = Object.keys(FAULTS);
  const rows = names.map((name, i) => [name, ...columns.map((column) => column[i])]);
  expect(columns.at(-1)?.every((outcome) => /^50[03]$/.test(outcome))).toBe(true);
  const table = [["", ...Object.keys(PACKAGES)], ["---", ...columns.map(() => "---")], ...rows];
  expectMarked("docs/comparison.md", "faults", table.map((row) => `| ${row.join(" | ")} |`).join("\n"));
});
