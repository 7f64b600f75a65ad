import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { catchAll, leftovers, runProgram, strayErrors } from "./campaign.js";
import { FRAMEWORKS, type Framework, HTTP2_FRAMEWORKS, type Origin, startOrigin } from "./origins.js";
import type { Operation, Program, RequestKind } from "./program.js";
import { breaches } from "./verdict.js";

type Outcome = "intact" | "repaired" | "replaced" | "torn down";

/** A program that random search has found to break the promise, made as small as it gets. */
type Counterexample = {
  /** The fact that holds now. */
  name: string;
  program: Program;
  /** How the guard ends it, where there is one right way; otherwise any outcome that keeps the promise. */
  outcome?: readonly Outcome[];
  /** Status that is shown, where there is one right one. */
  status?: number;
  /** Default: every framework. */
  on?: readonly Framework[];
};

const EXPRESS = FRAMEWORKS.filter((framework) => framework.startsWith("express"));
const PLAIN_EXPRESS: readonly Framework[] = ["express5", "express4"];
/** Without a framework that answers by itself. */
const RAW: readonly Framework[] = ["node", "node, attached only", "express5", "express4", "fastify hijacked"];

const OVER_HTTP2: readonly Framework[] = HTTP2_FRAMEWORKS.filter((framework) => !framework.endsWith("TLS"));
const COMPATIBILITY = OVER_HTTP2.filter((framework) => !framework.startsWith("node core"));
const CORE: readonly Framework[] = ["node core over HTTP/2", "node core over HTTP/2 and TLS"];
const COMPAT: readonly Framework[] = HTTP2_FRAMEWORKS.filter((framework) => !CORE.includes(framework));

function program(operations: readonly Operation[], request: RequestKind = "GET", rest: Partial<Program> = {}): Program {
  return { request, style: "callback", lenient: false, operations, ...rest };
}

const ASYNC = { style: "async" } as const;

const COUNTEREXAMPLES: Record<string, readonly Counterexample[]> = {
  "no answer": [
    {
      name: "a response that stays corked after a write meets its deadline",
      program: program([["write", "text"], ["cork"]]),
      outcome: ["replaced"],
      status: 503,
      on: RAW,
    },
    {
      name: "an error behind the header section of an answer to HEAD closes the connection as Express does",
      program: program([["answer", "error"], ["flushHeaders"], ["write", "bad encoding"]], "HEAD"),
      outcome: ["repaired"],
      status: 200,
      on: PLAIN_EXPRESS,
    },
    {
      name: "a socket that the app has corked meets the deadline",
      program: program([
        ["flag", "socket.cork"],
        ["write", "text"],
      ]),
      outcome: ["replaced", "torn down"],
      status: 503,
      on: RAW,
    },
    {
      name: "a destroy in the tick of flushHeaders is no empty answer",
      program: program([["write", "text"], ["flushHeaders"], ["destroy", "res"]]),
      outcome: ["replaced"],
      status: 500,
    },
    {
      name: "a destroy in the tick of a write over the hold-back limit is no empty answer",
      program: program([
        ["write", "big"],
        ["destroy", "res"],
      ]),
      outcome: ["replaced", "torn down"],
    },
    {
      name: "a throw in the tick of a write over the hold-back limit is no empty answer",
      program: program([
        ["write", "big"],
        ["throw", "error"],
      ]),
      outcome: ["replaced", "torn down"],
    },
    { name: "end after detachSocket is answered", program: program([["flag", "detachSocket"], ["end"]]), on: RAW },
    {
      name: "write after detachSocket is answered",
      program: program([
        ["flag", "detachSocket"],
        ["write", "text"],
      ]),
      on: RAW,
    },
    {
      name: "flushHeaders after detachSocket is answered",
      program: program([["flag", "detachSocket"], ["flushHeaders"]]),
      on: RAW,
    },
    {
      name: "a writeHead(204) that throws leaves the error answer its content",
      program: program([["writeHead", 204, "object", [["bad name", "a"]]]]),
      status: 500,
    },
    {
      name: "end that throws for strictContentLength after a write that threw is answered",
      program: program(
        [
          ["flag", "strictContentLength"],
          ["status", { odd: "undefined" }],
          ["write", "buffer"],
        ],
        "GET",
        ASYNC,
      ),
      on: ["express5", "express4"],
    },
    {
      name: "cork after the end of a pipelined response lets the next one through",
      program: program([["answer", "text"], ["cork"]], "pipelined behind"),
      on: ["node", "express5", "fastify"],
    },
    {
      name: "cork in the place of an answer that waits for its turn lets that out",
      program: program([["pipe", "destroyed first", "pipeline"], ["end", "text"], ["cork"]], "pipelined behind", ASYNC),
      on: ["node", "express5", "fastify"],
    },
    {
      name: "a reset of a connection that is closing settles every request",
      program: program(
        [
          ["destroy", "socket reset"],
          ["delay", "tick"],
          ["destroy", "socket reset", "error"],
        ],
        "pipelined behind",
      ),
      on: RAW,
    },
  ],
  "uncaught errors": [
    {
      name: "the end of a piped source that was too long, behind an upload and in front of another request",
      program: program(
        [
          ["set", "Content-Length", 5],
          ["pipe", "big", "pipe"],
        ],
        "POST pipelined in front",
      ),
      outcome: ["replaced"],
      status: 500,
      on: RAW,
    },
    {
      name: "an answer while Express's final handler waits for the rest of the upload",
      program: program(
        [
          ["next", "error"],
          ["delay", "1 ms"],
          ["end", "text"],
        ],
        "POST in pieces",
      ),
      on: EXPRESS,
    },
    {
      name: "an invalid status by the time Express's final handler answers",
      program: program(
        [
          ["next", "error"],
          ["delay", "microtask"],
          ["status", { odd: "NaN" }],
        ],
        "GET",
        ASYNC,
      ),
      on: EXPRESS,
      status: 500,
    },
    {
      name: "an invalid status by the time Express's final handler has all of the upload",
      program: program(
        [
          ["next", "error"],
          ["delay", "1 ms"],
          ["status", { odd: "NaN" }],
          ["reason", "a\r\nb"],
        ],
        "POST in pieces",
      ),
      on: EXPRESS,
      status: 500,
    },
    {
      name: "two late writes in one tick",
      program: program([["end"], ["write", "text"], ["write", "text"]]),
      outcome: ["intact"],
      status: 200,
    },
    {
      name: "a late end and a late write in one tick",
      program: program([
        ["end", "text"],
        ["end", "text"],
        ["write", "text"],
      ]),
      outcome: ["intact"],
      status: 200,
    },
    {
      name: "three ends with content",
      program: program([
        ["end", "text"],
        ["end", "text"],
        ["end", "text", "callback"],
      ]),
      outcome: ["intact"],
      status: 200,
    },
    {
      name: "detachSocket after the end",
      program: program([
        ["end", "text"],
        ["flag", "detachSocket"],
      ]),
    },
    {
      name: "cork after flushHeaders keeps the header section in the socket",
      program: program([["flushHeaders"], ["cork"]]),
      outcome: ["torn down"],
    },
    {
      name: "a pipe into the response of a request that has been destroyed",
      program: program([
        ["destroy", "req"],
        ["pipe", "whole", "pipeline"],
      ]),
      outcome: ["replaced"],
      status: 500,
    },
    {
      name: "a failure behind a destroyed request ends a connection on which another is waiting",
      program: program(
        [
          ["destroy", "req"],
          ["delay", "immediate"],
          ["writeHead", 103, "flat", []],
        ],
        "pipelined in front",
      ),
      outcome: ["replaced"],
    },
    {
      name: "detachSocket after a destroy",
      program: program([
        ["destroy", "res"],
        ["flag", "detachSocket"],
      ]),
      outcome: ["replaced"],
      status: 500,
    },
    {
      name: "detachSocket after garbage on the socket",
      program: program([
        ["socket.end", "garbage"],
        ["flag", "detachSocket"],
      ]),
      outcome: ["replaced"],
      status: 500,
    },
    {
      name: "an error with invalid headers that goes to Express's final handler",
      program: program([["throw", "bad headers"]]),
      on: EXPRESS,
      status: 503,
    },
    {
      name: "an error after an invalid status that goes to Express's final handler",
      program: program([
        ["status", { odd: "NaN" }],
        ["throw", "error"],
      ]),
      on: EXPRESS,
      status: 500,
    },
    {
      name: "an error after an invalid reason that goes to Fastify's last resort",
      program: program([
        ["reason", "a\r\nb"],
        ["answer", "error"],
      ]),
      on: ["fastify"],
      status: 500,
    },
    {
      name: "a rejection after an invalid reason that goes to Fastify's last resort",
      program: program(
        [
          ["reason", "wide \u2713"],
          ["throw", "error"],
        ],
        "GET",
        ASYNC,
      ),
      on: ["fastify"],
      status: 500,
    },
  ],
  "a neighbour's answer": [
    {
      name: "res.destroy after the end leaves the connection to the next request",
      program: program([
        ["end", "text"],
        ["destroy", "res"],
      ]),
      outcome: ["intact"],
      status: 200,
    },
    {
      name: "res.destroy with an error after the end leaves the connection to the next request",
      program: program([
        ["answer", "text"],
        ["destroy", "res", "error"],
      ]),
      status: 200,
      on: ["node", "express5", "express4", "fastify"],
    },
    {
      name: "req.destroy after the end leaves the connection to the next request",
      program: program([
        ["end", "text"],
        ["destroy", "req"],
      ]),
      outcome: ["intact"],
      status: 200,
    },
    {
      name: "req.destroy while its content arrives, after the end, does not hang the connection",
      program: program([["end"], ["destroy", "req"]], "POST in pieces"),
      status: 200,
    },
    {
      name: "a later req.destroy leaves the connection to the next request",
      program: program([["end"], ["delay", "tick"], ["destroy", "req", "error"]]),
      outcome: ["intact"],
      status: 200,
    },
    {
      name: "next(error) before the end does not close the connection",
      program: program([
        ["next", "error"],
        ["end", "text", "callback"],
      ]),
      on: EXPRESS,
    },
    {
      name: "next(error) before the end harms no request in front",
      program: program(
        [
          ["next", "error"],
          ["end", "text", "callback"],
        ],
        "pipelined behind",
      ),
      on: EXPRESS,
    },
    {
      name: "next() and then a rejection does not close the connection",
      program: program([
        ["next", "nothing"],
        ["reject", "error"],
      ]),
      on: EXPRESS,
    },
    {
      name: "next(error) and then a throw does not close the connection",
      program: program([
        ["next", "error"],
        ["writeHead", 0, "object", []],
      ]),
      on: EXPRESS,
    },
    {
      name: "a rejection and then an answer harms no request in front",
      program: program(
        [
          ["reject", "error"],
          ["delay", "immediate"],
          ["end", "text", "callback"],
        ],
        "pipelined behind",
      ),
      on: PLAIN_EXPRESS,
    },
    {
      name: "an error twice harms no request in front",
      program: program(
        [
          ["answer", "error"],
          ["throw", "error"],
        ],
        "pipelined behind",
      ),
      on: EXPRESS,
    },
    {
      name: "detachSocket lets no pipelined request overtake",
      program: program([["flag", "detachSocket"]], "pipelined in front"),
      outcome: ["replaced"],
      status: 503,
      on: ["node, attached only", "fastify hijacked"],
    },
  ],
  "octets between messages": [
    {
      name: "a header section with Content-Type twice has it once: a flat list",
      program: program([
        [
          "writeHead",
          200,
          "flat",
          [
            ["Content-Type", "a"],
            ["Content-Type", "b"],
          ],
        ],
        ["end", "text"],
      ]),
      status: 200,
    },
    {
      name: "detachSocket after garbage lets nothing follow the fallback that closes",
      program: program(
        [
          ["socket.end", "garbage"],
          ["flag", "detachSocket"],
        ],
        "pipelined in front",
      ),
      on: RAW,
    },
    {
      name: "detachSocket after a destroy lets nothing follow the fallback that closes",
      program: program(
        [
          ["destroy", "res", "error"],
          ["flag", "detachSocket"],
        ],
        "pipelined in front",
      ),
      on: RAW,
    },
    {
      name: "an empty Connection on a connection that closes says so",
      program: program([["flag", "shouldKeepAlive"], ["set", "Connection", ""], ["end"]]),
      on: RAW,
    },
    {
      name: "detachSocket and a later reset are answered once",
      program: program(
        [
          ["flag", "detachSocket"],
          ["delay", "tick"],
          ["destroy", "socket reset", "error"],
        ],
        "pipelined in front",
      ),
      on: RAW,
    },
    {
      name: "uncork without cork keeps no chunk until after the last one",
      program: program([["write", "text"], ["uncork"], ["write", "text"], ["delay", "30 ms"], ["end", "text"]]),
      outcome: ["intact"],
      status: 200,
    },
    {
      name: "garbage on the socket after the end",
      program: program([["end"], ["delay", "immediate"], ["socket.write", "garbage"]]),
      outcome: ["intact"],
      status: 200,
    },
    {
      name: "garbage with the end of the socket after the end",
      program: program([
        ["end", "text"],
        ["delay", "immediate"],
        ["socket.end", "garbage"],
      ]),
      outcome: ["intact"],
      status: 200,
    },
    {
      name: "garbage from an async handler after the end",
      program: program(
        [
          ["end", "text", "callback"],
          ["socket.end", "garbage"],
        ],
        "GET",
        ASYNC,
      ),
      status: 200,
    },
    {
      name: "garbage after a hand-made response",
      program: program(
        [
          ["socket.write", "chunked response"],
          ["socket.end", "garbage"],
        ],
        "GET",
        ASYNC,
      ),
      status: 200,
      on: RAW,
    },
    {
      name: "garbage after an interim status as final",
      program: program(
        [
          ["writeHead", 100, "object", []],
          ["socket.end", "garbage"],
        ],
        "GET",
        ASYNC,
      ),
      status: 500,
      on: RAW,
    },
    {
      name: "an interim response of a pipelined request stays out of its content",
      program: program(
        [
          ["interim", "100"],
          ["end", "buffer"],
        ],
        "pipelined behind",
      ),
      status: 200,
    },
  ],
  "false completeness": [
    {
      name: "a 205 whose status is set anew behind its header section has no content",
      program: program([
        ["writeHead", 205, "object", []],
        ["status", 204],
        ["end", "text"],
      ]),
      status: 205,
      on: ["node", "express5", "fastify hijacked"],
    },
    {
      name: "a 205 whose status is set anew between two writes has no content",
      program: program([
        ["writeHead", 205, "object", []],
        ["write", "text"],
        ["status", 200],
        ["pipe", "whole", "pipe"],
      ]),
      status: 205,
      on: ["node", "express5", "fastify hijacked"],
    },
    {
      name: "a Content-Length of a header section that threw is none of the next one",
      program: program(
        [
          [
            "writeHead",
            200,
            "object",
            [
              ["Trailer", "X-Sum"],
              ["Content-Length", "5"],
            ],
          ],
          ["writeHead", 200, "object", [["X-Any", "a"]]],
          ["write", "text"],
        ],
        "HTTP/1.0 keep-alive",
        { lenient: true },
      ),
      outcome: ["torn down"],
      on: ["node", "fastify hijacked"],
    },
    {
      name: "an end that throws inside a committed response is no end of it",
      program: program([["flushHeaders"], ["delay", "30 ms"], ["end", "number", "callback"]], "GET", { lenient: true }),
      outcome: ["torn down"],
      on: RAW,
    },
    {
      name: "a response without content is complete once its header section is out: HEAD",
      program: program([["flushHeaders"]], "HEAD"),
      status: 200,
      on: RAW,
    },
    {
      name: "a response without content is complete once its header section is out: 204",
      program: program([["status", 204], ["flushHeaders"]]),
      status: 204,
      on: RAW,
    },
    {
      name: "content as long as announced is complete without an end",
      program: program([
        ["set", "Content-Length", 5],
        ["write", "text"],
        ["delay", "60 ms"],
      ]),
      status: 200,
      on: RAW,
    },
    {
      name: "an end after one of two sources has failed, with the header section out, is cut at once",
      program: program([["flushHeaders"], ["pipe", "fails first", "pipe"], ["delay", "tick"], ["answer", "stream"]]),
      outcome: ["torn down"],
      status: 200,
    },
    {
      name: "too much content at the end, when all that was announced is out",
      program: program([
        ["set", "Content-Length", 5],
        ["write", "text"],
        ["delay", "60 ms"],
        ["end", "text"],
      ]),
      outcome: ["repaired"],
      status: 200,
      on: RAW,
    },
    {
      name: "a source that fails when all that was announced is out",
      program: program([["status", 204], ["flushHeaders"], ["pipe", "fails later", "pipe"]]),
      outcome: ["repaired"],
      status: 204,
      on: RAW,
    },
    {
      name: "a hand-made stream whose socket is detached",
      program: program([
        ["socket.write", "response without length"],
        ["flag", "detachSocket"],
      ]),
      on: RAW,
    },
    {
      name: "a hand-made stream that stalls ends with a reset",
      program: program([
        ["writeHead", 200, "object", []],
        ["socket.write", "response without length"],
      ]),
      on: RAW,
    },
  ],
  "connections that were to close": [
    {
      name: "a Connection that is left out of a list of fields beside others does not hide that the connection ends",
      program: program([
        ["set", "X-Thing", "a"],
        [
          "writeHead",
          304,
          "flat",
          [
            ["Transfer-Encoding", "chunked"],
            ["Connection", { odd: "null" }],
          ],
        ],
        ["end"],
      ]),
      outcome: ["repaired"],
      on: ["node", "express4", "express5", "fastify hijacked"],
    },
    {
      name: "a response to HTTP/1.0 keep-alive says whether the connection persists, even without Connection",
      program: program(
        [
          ["remove", "Connection"],
          ["end", "text"],
        ],
        "HTTP/1.0 keep-alive",
      ),
      status: 200,
    },
    {
      name: "a close is announced even where the app has removed Connection",
      program: program([
        ["flag", "shouldKeepAlive"],
        ["remove", "Connection"],
        ["end", "text"],
      ]),
      status: 200,
    },
    {
      name: "a hand-made response to a request that closes",
      program: program([["socket.write", "response"]], "closes"),
      status: 200,
      on: RAW,
    },
    {
      name: "a hand-made chunked response to a request that closes",
      program: program([["socket.write", "chunked response"]], "closes"),
      status: 200,
      on: RAW,
    },
    {
      name: "an empty Connection field in a response to HTTP/1.0 keep-alive",
      program: program(
        [
          ["append", "Connection", ""],
          ["end", "text"],
        ],
        "HTTP/1.0 keep-alive",
      ),
      status: 200,
    },
    {
      name: "a client that has half-closed, though the app has removed Connection",
      program: program(
        [
          ["delay", "30 ms"],
          ["remove", "Connection"],
          ["end", "text"],
        ],
        "half-closes",
      ),
      status: 200,
    },
    {
      name: "a detached socket whose client still sends to a request that was destroyed",
      program: program(
        [
          ["flag", "detachSocket"],
          ["destroy", "req"],
          ["end", "text"],
        ],
        "POST in pieces",
      ),
      status: 500,
      on: RAW,
    },
    {
      name: "Upgrade in a response to HTTP/1.0 keep-alive",
      program: program(
        [
          ["set", "Upgrade", "websocket"],
          ["end", "text"],
        ],
        "HTTP/1.0 keep-alive",
      ),
      status: 200,
    },
  ],
  "the request log": [
    {
      name: "names the status that went out, not one assigned later",
      program: program([["end"], ["status", 204]]),
      outcome: ["intact"],
      status: 200,
    },
    {
      name: "counts no client as gone that has left with the whole response",
      program: program([["status", 204], ["flushHeaders"]], "POST unfinished"),
      status: 204,
      on: RAW,
    },
    {
      name: "counts no client as gone where the app destroys the socket behind its last response",
      program: program([
        ["socket.end", "response"],
        ["destroy", "socket reset"],
      ]),
      outcome: ["intact"],
      status: 200,
      on: RAW,
    },
    {
      name: "names the status of a hand-made stream",
      program: program([
        ["socket.write", "response without length"],
        ["delay", "30 ms"],
        ["destroy", "socket"],
      ]),
      status: 200,
      on: RAW,
    },
    {
      name: "names the status of the fallback, not one assigned later",
      program: program([
        ["destroy", "res"],
        ["status", 204],
      ]),
      outcome: ["replaced"],
      status: 500,
    },
  ],
};

const HTTP2_COUNTEREXAMPLES: Record<string, readonly Counterexample[]> = {
  "over HTTP/2: no answer, or none that ends": [
    {
      name: "a stream with a pipeline() that the deadline breaks off",
      program: program([["pipe", "stalls", "pipeline"]]),
      outcome: ["torn down"],
      on: CORE,
    },
    {
      name: "an end behind the guard's answer, of a request that has arrived, keeps no stream open",
      program: program(
        [
          ["delay", "60 ms"],
          ["close", 0],
          ["end", "text"],
        ],
        "POST in pieces",
        ASYNC,
      ),
      outcome: ["replaced"],
      status: 500,
      on: CORE,
    },
    {
      name: "an answer in front of the end of the connection, while the request is sent",
      program: program(
        [
          ["destroy", "socket soon"],
          ["respond", [], "plain"],
          ["close", 8],
        ],
        "POST in pieces",
      ),
      outcome: ["replaced"],
      status: 500,
      on: CORE,
    },
    {
      name: "an empty answer whose stream the app closes in the same turn",
      program: program(
        [
          ["answer", "nothing"],
          ["close", 0],
        ],
        "GET",
        ASYNC,
      ),
      outcome: ["intact"],
      status: 200,
      on: ["fastify over HTTP/2", "fastify over HTTP/2 and TLS"],
    },
    {
      name: "a write behind the end holds back no end",
      program: program([
        ["end", "text"],
        ["end", "text"],
        ["write", "text"],
      ]),
      outcome: ["intact"],
      status: 200,
      on: CORE,
    },
    {
      name: "a cork behind the end holds back no end",
      program: program([["write", "buffer"], ["end", "buffer", "callback"], ["cork"]]),
      outcome: ["intact"],
      status: 200,
      on: OVER_HTTP2,
    },
    {
      name: "an empty chunk is a whole answer",
      program: program([["end", "empty"]]),
      outcome: ["intact"],
      status: 200,
      on: CORE,
    },
    {
      name: "a session that is destroyed twice is answered first",
      program: program([
        ["session", "destroy"],
        ["session", "destroy with code"],
      ]),
      outcome: ["replaced"],
      status: 500,
      on: OVER_HTTP2,
    },
    {
      name: "a socket that is destroyed twice is answered first",
      program: program([
        ["destroy", "socket soon"],
        ["destroy", "socket soon"],
      ]),
      outcome: ["replaced"],
      status: 500,
      on: OVER_HTTP2,
    },
    {
      name: "a write behind the end, and behind the end of the session",
      program: program([
        ["end", "octets"],
        ["session", "destroy with error"],
        ["write", "octets"],
      ]),
      status: 200,
      on: ["node over HTTP/2", "express5 over HTTP/2", "node core over HTTP/2"],
    },
  ],
  "over HTTP/2: an answer that is overtaken by its end": [
    {
      name: "an answer whose app destroys the session, and then the response",
      program: program([["end"], ["session", "destroy"], ["destroy", "res"]], "POST", ASYNC),
      outcome: ["intact"],
      status: 200,
      on: COMPAT,
    },
    {
      name: "an answer whose app destroys the session, and then closes the stream",
      program: program(
        [
          ["end", "text"],
          ["session", "destroy"],
          ["close", 8],
        ],
        "POST",
        ASYNC,
      ),
      outcome: ["intact"],
      status: 200,
      on: HTTP2_FRAMEWORKS,
    },
    {
      name: "a handler that throws behind a pipeline() without a source",
      program: program(
        [
          ["set", "content-length", 102_400],
          ["pipe", "destroyed first", "pipeline"],
          ["throw", "404"],
        ],
        "GET",
        ASYNC,
      ),
      on: HTTP2_FRAMEWORKS,
    },
    {
      name: "an empty answer that is closed with a code",
      program: program([["end"], ["close", 8]]),
      outcome: ["intact"],
      status: 200,
      on: COMPAT,
    },
    {
      name: "an answer that is written to behind its end",
      program: program([["end"], ["write", "text"]]),
      outcome: ["intact"],
      status: 200,
      on: COMPAT,
    },
  ],
  "over HTTP/2: an answer that counts as another": [
    {
      name: "an app that closes the stream behind its answer is no client that leaves",
      program: program([["end"], ["close", 2]], "HEAD"),
      outcome: ["intact"],
      status: 200,
      on: COMPATIBILITY,
    },
    {
      name: "a code behind the answer is none while the request is sent",
      program: program([["end"], ["delay", "1 ms"], ["close", 2]], "POST in pieces"),
      outcome: ["intact"],
      status: 200,
      on: COMPATIBILITY,
    },
    {
      name: "a cancellation behind an answer without content is none while the request is sent",
      program: program(
        [
          ["status", 304],
          ["write", "empty"],
          ["close", 8, "callback"],
        ],
        "POST unfinished",
      ),
      outcome: ["intact"],
      status: 304,
      on: COMPATIBILITY,
    },
    {
      name: "content that is short behind an empty chunk does not come to an end",
      program: program(
        [["file", "whole"], ["append", "Content-Length", 4], ["write", "empty"], ["end"]],
        "POST in pieces",
        ASYNC,
      ),
      outcome: ["torn down"],
      on: CORE,
    },
    {
      name: "what is behind a file that cannot be read does not come to an end",
      program: program(
        [
          ["file", "closed descriptor"],
          ["delay", "tick"],
          ["end", "buffer"],
        ],
        "pipelined in front",
        ASYNC,
      ),
      outcome: ["torn down"],
      on: CORE,
    },
    {
      name: "an answer in place of a file that is not found",
      program: program([
        ["file", "missing"],
        ["end", "text"],
      ]),
      outcome: ["intact"],
      status: 200,
      on: CORE,
    },
  ],
  "over HTTP/2: uncaught errors": [
    {
      name: "a source that fails in a pipe() to a stream",
      program: program([
        ["pipe", "fails first", "pipe"],
        ["write", "big"],
      ]),
      outcome: ["torn down"],
      on: CORE,
    },
    {
      name: "a field that HTTP/2 does not have, in the answer of Express's final handler",
      program: program([
        ["set", "Upgrade", "websocket"],
        ["destroy", "req"],
        ["answer", "error"],
      ]),
      on: ["express5 over HTTP/2", "express4 over HTTP/2 and TLS"],
    },
    {
      name: "a field that HTTP/2 does not have, in Fastify's last resort",
      program: program(
        [
          ["set", "Upgrade", "websocket"],
          ["throw", "error"],
        ],
        "GET",
        ASYNC,
      ),
      on: ["fastify over HTTP/2", "fastify over HTTP/2 and TLS"],
      status: 500,
    },
    {
      name: "an async listener, once Express runs over HTTP/2 in the same process",
      program: program([["throw", "error"]], "GET", ASYNC),
      outcome: ["replaced"],
      status: 500,
      on: CORE,
    },
  ],
};
const ALL: readonly Framework[] = [...FRAMEWORKS, ...HTTP2_FRAMEWORKS];

let restore: () => void;
const origins = new Map<Framework, Origin>();
beforeAll(async () => {
  restore = catchAll();
  for (const framework of ALL) origins.set(framework, await startOrigin(framework, true));
  // What Express does over HTTP/2 meets every other server of the process.
  const first = program([["end", "text"]]);
  await runProgram(origins.get("express5 over HTTP/2") as Origin, first);
});
afterAll(async () => {
  for (const origin of origins.values()) {
    expect(await leftovers(origin)).toEqual([]);
    await origin.close();
  }
  restore();
  expect(strayErrors.map((error) => (error instanceof Error ? error.stack : error))).toEqual([]);
});

describe.each(Object.entries({ ...COUNTEREXAMPLES, ...HTTP2_COUNTEREXAMPLES }))("%s", (group, examples) => {
  // One at a time where an error may escape that does not tell its program.
  const isAlone = group.endsWith("uncaught errors");
  const test = isAlone ? it : it.concurrent;
  const rows = examples.flatMap((example) =>
    (example.on ?? FRAMEWORKS).map((framework) => [example.name, framework, example] as const),
  );

  test.each(rows)("%s: %s", async (_name, framework, { program: one, outcome, status }) => {
    const strays = strayErrors.length;
    const seen = await runProgram(origins.get(framework) as Origin, one);
    expect(breaches(seen), JSON.stringify(seen.result.octets.toString("latin1").slice(0, 400))).toEqual([]);
    if (isAlone) expect(strayErrors.slice(strays)).toEqual([]);
    if (outcome !== undefined) expect(outcome).toContain(seen.records[0]?.outcome);
    const own = seen.result.responses[seen.targets.findIndex((target) => target.startsWith("/p/"))];
    if (status !== undefined && own?.complete) expect(own.status).toBe(status);
  });
});
