import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import express5 from "express";
import express4 from "express4";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { rayguard } from "../adapters/express.js";
import { overHttp2 } from "./helpers/express-http2.js";
import type { Misused } from "./origins/scenario.js";

type Handler = (request: Misused, response: Misused, next: (error?: unknown) => void) => void;

/** Nobody answers, and the app has set a field that HTTP/2 does not have: Express's final handler meets what Node throws. */
const HANDLERS: Readonly<Record<string, Handler>> = {
  "next()": (_request, response, next) => {
    response.setHeader("Keep-Alive", "timeout=5");
    next();
  },
  "next(), later": (_request, response, next) => {
    response.set("Transfer-Encoding", "chunked");
    setTimeout(next, 5);
  },
  "next(error)": (_request, response, next) => {
    response.setHeader("Upgrade", "websocket");
    next(new Error("mine"));
  },
  "next(error), later": (_request, response, next) => {
    response.append("Proxy-Connection", "close");
    setTimeout(() => next(new Error("mine")), 5);
  },
};

const uncaught: unknown[] = [];
let before: NodeJS.UncaughtExceptionListener[] = [];
beforeEach(() => {
  uncaught.length = 0;
  before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => uncaught.push(error));
});
afterEach(() => {
  process.removeAllListeners("uncaughtException");
  for (const listener of before) process.on("uncaughtException", listener);
});

/** The answer to a request, as Node's client tells it. */
async function answerOf(express: Misused, handler: Handler, method: string): Promise<unknown> {
  const guard = rayguard({ logger: false, shutdown: false, crash: false });
  const app = overHttp2(express)();
  app.set("env", "test").use(guard, handler);
  const server = http2.createServer(app);
  guard.attach(server);
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  onTestFinished(() => client.destroy());
  const stream = client.request({ ":method": method }).on("error", () => {});
  if (method === "POST") stream.end("content");
  let status: unknown;
  stream.on("response", (fields) => {
    status = fields[":status"];
  });
  let isComplete = false;
  stream.resume().on("end", () => {
    isComplete = true;
  });
  await new Promise((resolve) => stream.once("close", resolve));
  return { status, isComplete };
}

describe.each([
  ["Express 5", express5],
  ["Express 4", express4],
])("a field that HTTP/2 does not have, in %s", (_name, express) => {
  it.each(
    Object.entries(HANDLERS).flatMap(([how, handler]) => ["GET", "POST"].map((one) => [how, one, handler] as const)),
  )("costs no process, and the recipient gets an answer: %s, of a %s", async (_how, method, handler) => {
    expect(await answerOf(express, handler, method)).toEqual({ status: 500, isComplete: true });
    expect(uncaught).toEqual([]);
  });
});
