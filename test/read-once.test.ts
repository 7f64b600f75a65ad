import { createServer, type RequestListener, type ServerResponse } from "node:http";
import express from "express";
import fastify from "fastify";
import { afterEach, describe, expect, it } from "vitest";
import { rayguard } from "../adapters/express.js";
import fastifyGuard from "../adapters/fastify.js";
import { createGuard, type GuardOptions } from "../src/index.js";
import { exchange } from "../src/testing/index.js";
import { listen } from "./testing/servers.js";

/** Text of a value that is read the n-th time; the last one for every further time. */
function turns(...texts: string[]): { toString(): string; reads: () => number } {
  let at = 0;
  return { toString: () => texts[Math.min(at++, texts.length - 1)] as string, reads: () => at };
}

/** A value that is well at the first `good` readings, and ends the header section at the next. */
function turnsBad(good: number): string {
  const split = "x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nBAD";
  return turns(...Array<string>(good).fill("well"), split) as unknown as string;
}

type Incident = { code: string; action: string };

function noting(incidents: Incident[], mode: GuardOptions["mode"] = "enforce"): GuardOptions {
  const note = (record: object) => {
    if ("action" in record) incidents.push(record as Incident);
  };
  return { mode, firstByteDeadlineMs: 2_000, logger: { info: note, warn: note, error: note } };
}

const apps: { close(): unknown }[] = [];

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

const STARTERS: Record<string, (listener: RequestListener, options: GuardOptions) => Promise<object>> = {
  node: (listener, options) => {
    const server = createServer(listener);
    createGuard(options).attach(server);
    return listen(server);
  },
  express: (listener, options) => {
    const app = express();
    app.use(rayguard(options));
    app.use((request, response) => void listener(request, response));
    return listen(createServer(app));
  },
  fastify: async (listener, options) => {
    const app = fastify();
    apps.push(app);
    await app.register(fastifyGuard, options);
    app.get("/", (request, reply) => {
      reply.hijack();
      listener(request.raw, reply.raw);
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    return app.server;
  },
};

interface Case {
  readonly what: string;
  readonly answer: (response: ServerResponse) => void;
}

/** `node:http` looks at a value once or twice before it writes it. */
const SPLITTING: readonly Case[] = [1, 2].flatMap((good): Case[] => [
  {
    what: `statusMessage that turns after ${good} readings`,
    answer: (r) => {
      r.statusMessage = turnsBad(good);
      r.end("ok");
    },
  },
  {
    what: `a getter for statusMessage that turns after ${good} readings`,
    answer: (r) => {
      const value = turnsBad(good);
      Object.defineProperty(r, "statusMessage", { configurable: true, get: () => `${value}`, set() {} });
      r.end("ok");
    },
  },
  {
    what: `a value of setHeader that turns after ${good} readings`,
    answer: (r) => {
      r.setHeader("X-Any", turnsBad(good));
      r.end("ok");
    },
  },
  {
    what: `a value of writeHead that turns after ${good} readings`,
    answer: (r) => {
      r.writeHead(200, { "X-Any": turnsBad(good) });
      r.end("ok");
    },
  },
  {
    what: `a value in a list of writeHead that turns after ${good} readings`,
    answer: (r) => {
      r.writeHead(200, ["X-Any", turnsBad(good)]);
      r.end("ok");
    },
  },
  {
    what: `an item of a list that turns after ${good} readings`,
    answer: (r) => {
      r.setHeader("X-Any", ["a", turnsBad(good)]);
      r.end("ok");
    },
  },
  {
    what: `a cookie behind a getter that turns after ${good} readings`,
    answer: (r) => {
      const value = turnsBad(good);
      const cookies = Object.defineProperty(["a=1", "b=2"], 1, { get: () => `${value}` });
      r.setHeader("Set-Cookie", cookies);
      r.end("ok");
    },
  },
  {
    what: `a getter of writeHead that turns after ${good} readings`,
    answer: (r) => {
      const value = turnsBad(good);
      r.writeHead(200, {
        get "X-Any"() {
          return `${value}`;
        },
      });
      r.end("ok");
    },
  },
  {
    what: `a length behind a getter that turns after ${good} readings`,
    answer: (r) => {
      const value = turns(...Array<string>(good).fill("2"), "chunked, 7");
      r.writeHead(200, {
        get "Content-Length"() {
          return `${value}`;
        },
      });
      r.end("ok");
    },
  },
  {
    what: `a trailer that turns after ${good} readings`,
    answer: (r) => {
      r.setHeader("Trailer", "X-Sum");
      r.write("ok");
      r.addTrailers({ "X-Sum": turnsBad(good) });
      r.end();
    },
  },
  {
    what: `statusCode behind a getter that turns after ${good} readings`,
    answer: (r) => {
      let reads = 0;
      Object.defineProperty(r, "statusCode", {
        configurable: true,
        get: () => (reads++ < good ? 200 : 204),
        set() {},
      });
      r.write("ok");
      r.end();
    },
  },
]);

describe.each(Object.keys(STARTERS))("%s: what is judged is what is sent", (framework) => {
  it.each(SPLITTING)("$what", async ({ answer }) => {
    const options = noting([]);
    const server = await STARTERS[framework]?.((_request, response) => answer(response), options);
    const result = await exchange(server as never, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect({ problems: result.problems, answers: result.responses.length }).toEqual({ problems: [], answers: 1 });
  });
});

describe("a value that turns", () => {
  it.each([
    ["SL-4", "replaced", (r: ServerResponse) => Object.assign(r, { statusMessage: turnsBad(1) })],
    ["HF-3", "repaired", (r: ServerResponse) => r.setHeader("X-Any", turnsBad(1))],
  ])("is told as %s, %s", async (code, action, prepare) => {
    const incidents: Incident[] = [];
    const server = await STARTERS.node?.((_request, response) => {
      prepare(response);
      response.end("ok");
    }, noting(incidents));
    await exchange(server as never, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(incidents).toMatchObject([{ code, action }]);
  });

  it("is told in report mode, and goes out as without the guard", async () => {
    for (const good of [1, 2, 3]) {
      for (const [code, prepare] of [
        ["SL-4", (r: ServerResponse) => Object.assign(r, { statusMessage: turnsBad(good) })],
        ["HF-3", (r: ServerResponse) => r.setHeader("X-Any", turnsBad(good))],
      ] as const) {
        const seen: string[] = [];
        for (const guarded of [false, true]) {
          const incidents: Incident[] = [];
          const listener: RequestListener = (_request, response) => {
            prepare(response);
            response.end("ok");
          };
          const server = guarded
            ? await STARTERS.node?.(listener, noting(incidents, "report"))
            : await listen(createServer(listener));
          const { octets } = await exchange(server as never, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", {
            timeoutMs: 3_000,
          });
          const text = octets.toString("latin1").replace(/\r\nDate: [^\r]+/g, "");
          seen.push(text);
          if (guarded && text.includes("BAD")) expect(incidents).toMatchObject([{ code, action: "reported" }]);
          if (guarded && !text.includes("BAD")) expect(incidents).toEqual([]);
        }
        expect(seen[1]).toBe(seen[0]);
      }
    }
  });
});

describe("a value that is an object with one text", () => {
  it.each<[string, unknown, string]>([
    ["a URL", new URL("https://a.example/b"), "https://a.example/b"],
    ["a boxed string", Object("text"), "text"],
    ["an object with toString", { toString: () => "text" }, "text"],
    ["an object with Symbol.toPrimitive", { [Symbol.toPrimitive]: () => "text" }, "text"],
  ])("goes out as it is, and nothing is told: %s", async (_what, value, text) => {
    for (const mode of ["enforce", "report"] as const) {
      const incidents: Incident[] = [];
      const server = await STARTERS.node?.(
        (_request, response) => {
          response.setHeader("X-Any", value as string);
          response.end("ok");
        },
        noting(incidents, mode),
      );
      const { responses } = await exchange(server as never, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      expect(responses[0]?.field("x-any")).toBe(text);
      expect(incidents).toEqual([]);
    }
  });
});

it("a getter in the argument of writeHead is read as often as without the guard", async () => {
  const counts: number[] = [];
  for (const guarded of [false, true]) {
    let reads = 0;
    const listener: RequestListener = (_request, response) => {
      response.writeHead(200, {
        get "X-Any"() {
          reads++;
          return "text";
        },
      });
      response.end("ok");
    };
    const server = guarded ? await STARTERS.node?.(listener, noting([])) : await listen(createServer(listener));
    await exchange(server as never, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    counts.push(reads);
  }
  expect(counts[1]).toBe(counts[0]);
});

describe("statusCode", () => {
  it.each(["end", "write"] as const)("is read by Node alone where nothing is changed: %s()", async (method) => {
    const incidents: Incident[] = [];
    let reads = 0;
    const server = await STARTERS.node?.(
      (_request, response) => {
        const get = () => (reads++ === 0 ? 200 : 99);
        Object.defineProperty(response, "statusCode", { configurable: true, get, set() {} });
        response[method]("ok");
        response.end();
      },
      noting(incidents, "report"),
    );
    const { responses } = await exchange(server as never, { path: "/" });
    expect(responses.map(({ status, complete }) => ({ status, complete }))).toEqual([{ status: 200, complete: true }]);
    expect(reads).toBe(1);
    expect(incidents).toEqual([]);
  });
});
