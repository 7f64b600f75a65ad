import { once } from "node:events";
import { statSync } from "node:fs";
import http, { type IncomingMessage, type RequestListener, ServerResponse } from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { idleSocketsOf, socketsOf, withList } from "../src/http1/connection/connection-lists.js";
import { tellSocketClosed } from "../src/http1/connection/socket-close.js";
import {
  classSlot,
  forgetContent,
  hasInternals,
  isFinishCallback,
  LAYERED,
  LOSES_CORKED_CHUNKS,
  markErrorEmitted,
  type NodeResponse,
} from "../src/http1/node/node-internals.js";
import { handleOf, keepOpen, socketOf } from "../src/http2/internals.js";
import { runningFunctions } from "../src/stack.js";
import { exchange } from "../src/testing/index.js";
import { selfSigned } from "./testing/certificate.js";
import { listen } from "./testing/servers.js";

// Facts about bare Node, each of which the guard relies on. One that fails names what a new release has changed.

const major = Number.parseInt(process.versions.node, 10);

type Listener = (request: IncomingMessage, response: NodeResponse) => void;
type Options = Parameters<typeof exchange>[2];

/** Sends octets to a bare server and returns what came back. */
async function ask(listener: Listener, octets = "GET / HTTP/1.1\r\nHost: a\r\n\r\n", options: Options = {}) {
  const server = await listen(http.createServer(listener as unknown as RequestListener));
  return exchange(server, octets, options);
}

function newResponse(): NodeResponse {
  const request = { method: "GET", httpVersionMajor: 1, httpVersionMinor: 1 };
  return new ServerResponse(request as IncomingMessage) as unknown as NodeResponse;
}

/** Calls of an underscore method, as they come. */
function record(response: NodeResponse, name: "_send" | "_storeHeader" | "_writeRaw"): unknown[][] {
  const calls: unknown[][] = [];
  const native = response[name] as (...args: unknown[]) => unknown;
  Object.defineProperty(response, name, {
    configurable: true,
    value(...args: unknown[]) {
      calls.push(args);
      return native.apply(response, args);
    },
  });
  return calls;
}

describe("a response of node:http", () => {
  it("has every method the guard stands in front of, on its prototype", () => {
    for (const name of LAYERED) expect(typeof ServerResponse.prototype[name as "end"], name).toBe("function");
    expect(hasInternals(newResponse())).toBe(true);
  });

  it("has the state the guard reads and sets, with these values before anything is sent", () => {
    const response = newResponse();
    expect(response).toMatchObject({
      _header: null,
      _headerSent: false,
      _hasBody: true,
      _last: false,
      _contentLength: null,
      _removedTE: false,
      _removedContLen: false,
      _trailer: "",
      outputData: [],
      outputSize: 0,
      finished: false,
      sendDate: true,
      shouldKeepAlive: true,
      statusCode: 200,
    });
    expect(typeof response._onPendingData).toBe("function");
  });

  it("finds underscore methods that are own properties of the response", async () => {
    let seen: string[] = [];
    const { valid } = await ask((_request, response) => {
      const calls = [record(response, "_storeHeader"), record(response, "_send"), record(response, "_writeRaw")];
      response.end("ok");
      seen = calls.map((each) => (each.length > 0 ? "called" : "missed"));
    });
    expect(valid).toBe(true);
    // A string as content goes through _writeRaw together with its header section.
    expect(seen).toEqual(["called", "called", "called"]);
  });

  it("takes back a field section that was never rendered: `_header` null means nothing is decided", async () => {
    const { responses } = await ask((_request, response) => {
      response.statusCode = 201;
      expect(response._header).toBeNull();
      response.writeHead(202);
      expect(response._header).toMatch(/^HTTP\/1\.1 202 /);
      expect(response._headerSent).toBe(false);
      response.end();
      expect(response._headerSent).toBe(true);
    });
    expect(responses[0]?.status).toBe(202);
  });
});

describe("bytesWritten of a socket", () => {
  it("has what waits in _pendingData, null until then, and no longer once something is written", async () => {
    const seen: unknown[] = [];
    await ask((request, response) => {
      const socket = request.socket as typeof request.socket & { _pendingData: { length: number } | null };
      seen.push(socket._pendingData, socket.bytesWritten);
      socket._pendingData = { length: 7 };
      seen.push(socket.bytesWritten);
      response.end();
      seen.push(socket._pendingData);
    });
    expect(seen).toEqual([null, 0, 7, null]);
  });
});

describe("strictContentLength", () => {
  it.each([
    ["counts the content of a write that threw", () => {}, "ERR_HTTP_CONTENT_LENGTH_MISMATCH"],
    ["finds none of it after forgetContent", forgetContent, undefined],
  ])("%s", async (_name, between, code) => {
    let caught: unknown;
    const { responses } = await ask((_, res) => {
      res.strictContentLength = true;
      res.statusCode = 99;
      expect(() => res.write("lost")).toThrow(RangeError);
      between(res);
      res.statusCode = 200;
      res.setHeader("Content-Length", 4);
      try {
        res.end("kept");
      } catch (error) {
        caught = error;
        res.strictContentLength = false;
        res.end();
      }
    });
    expect((caught as NodeJS.ErrnoException | undefined)?.code).toBe(code);
    expect(responses[0]?.content.toString()).toBe("kept");
  });
});

describe("_storeHeader", () => {
  async function received(act: (response: NodeResponse) => void): Promise<unknown[]> {
    let calls: unknown[][] = [];
    await ask((_request, response) => {
      calls = record(response, "_storeHeader");
      act(response);
      response.end("ok");
    });
    expect(calls).toHaveLength(1);
    return calls[0] as unknown[];
  }

  it("gets the status line and the map of setHeader: no prototype, [name, value] under lower-case keys", async () => {
    const [firstLine, headers] = await received((response) => response.setHeader("X-Any", "x"));
    expect(firstLine).toBe("HTTP/1.1 200 OK\r\n");
    expect(Object.getPrototypeOf(headers)).toBeNull();
    expect(headers).toEqual(Object.assign(Object.create(null), { "x-any": ["X-Any", "x"] }));
  });

  it("gets that very map, kept under the symbol kOutHeaders", async () => {
    let kept: unknown;
    const [, headers] = await received((response) => {
      response.setHeader("X-Any", "x");
      const symbol = Object.getOwnPropertySymbols(response).find(({ description }) => description === "kOutHeaders");
      kept = (response as unknown as Record<symbol, unknown>)[symbol as symbol];
    });
    expect(headers).toBe(kept);
  });

  it("gets the argument of writeHead itself where no field was set before", async () => {
    const given = { "X-Any": "x" };
    expect((await received((response) => response.writeHead(200, given)))[1]).toBe(given);
    const list = ["X-Any", "x"];
    expect((await received((response) => response.writeHead(200, list as never)))[1]).toBe(list);
  });

  it("gets the map of setHeader where writeHead adds to it", async () => {
    const [, headers] = await received((response) => {
      response.setHeader("X-First", "1");
      response.writeHead(200, { "X-Second": "2" });
    });
    expect(Object.keys(headers as object)).toEqual(["x-first", "x-second"]);
    expect(Object.getPrototypeOf(headers)).toBeNull();
  });

  it("renders a flat list, with values that are lists as lines of their own", async () => {
    const { responses } = await ask((_request, response) => {
      response._storeHeader("HTTP/1.1 200 OK\r\n", ["Set-Cookie", ["a=1", "b=2"], "X-Any", "x", "Content-Length", "0"]);
      response._send("");
      response.end();
    });
    expect(responses[0]?.fieldLines("set-cookie")).toEqual(["a=1", "b=2"]);
    expect(responses[0]?.field("x-any")).toBe("x");
  });

  it("notes a Content-Length in _contentLength, and removed framing fields in _removedTE and _removedContLen", async () => {
    const lengths: unknown[] = [];
    await ask((_request, response) => {
      response.writeHead(200, { "Content-Length": "2" });
      response.end("ok");
      lengths.push(Number(response._contentLength));
    });
    await ask((_request, response) => {
      response.removeHeader("Content-Length");
      response.removeHeader("Transfer-Encoding");
      lengths.push(response._removedContLen, response._removedTE);
      response.end("ok");
    });
    expect(lengths).toEqual([2, true, true]);
  });
});

describe("_send", () => {
  it("gets ('' and no callback) from flushHeaders, and from nothing else", async () => {
    let calls: unknown[][] = [];
    await ask((_request, response) => {
      calls = record(response, "_send");
      response.flushHeaders();
      response.write("a");
      response.end();
    });
    const flushes = calls.filter(([data, , callback]) => data === "" && callback === undefined);
    expect(flushes).toEqual([calls[0]]);
  });

  it("gets the content without the header section, which Node puts in front below it", async () => {
    let calls: unknown[][] = [];
    await ask((_request, response) => {
      calls = record(response, "_send");
      response.end("ok");
    });
    // Up to Node 22 an empty piece follows, for the callback alone.
    expect(calls.map(([data]) => data).filter((data) => data !== "")).toEqual(["ok"]);
  });

  it("gets every chunk with its frame", async () => {
    let calls: unknown[][] = [];
    const { valid } = await ask((_request, response) => {
      calls = record(response, "_send");
      response.write("abc");
      response.end("de");
    });
    expect(valid).toBe(true);
    const octets = calls
      .map(([data]) => (typeof data === "string" ? data : Buffer.from(data as Uint8Array).toString()))
      .join("");
    // Node 26 merges the chunks of one tick and sends them at the next.
    if (major < 26) expect(octets).toBe("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    else expect(octets).toMatch(/de\r\n0\r\n\r\n$/);
  });

  it('gets from end, as the last callback, one whose name is "bound onFinish"', async () => {
    for (const content of [undefined, "ok", Buffer.from("ok")]) {
      for (const before of [undefined, "a"]) {
        let calls: unknown[][] = [];
        await ask((_request, response) => {
          calls = record(response, "_send");
          if (before !== undefined) response.write(before);
          response.end(content);
        });
        expect(isFinishCallback(calls.at(-1)?.[2])).toBe(true);
        expect(calls.slice(0, -1).some(([, , callback]) => isFinishCallback(callback))).toBe(false);
      }
    }
  });

  it("that never passes its callback on keeps `finish` from being emitted", async () => {
    let finished = 0;
    await ask((_request, response) => {
      response.on("finish", () => finished++);
      const native = response._send;
      response._send = (data, encoding) => native.call(response, data, encoding);
      response.end("ok");
    });
    expect(finished).toBe(0);
  });
});

describe("interim responses", () => {
  it("go through _writeRaw and not through _send", async () => {
    let raw: unknown[][] = [];
    let sent: unknown[][] = [];
    const { responses } = await ask((_request, response) => {
      raw = record(response, "_writeRaw");
      sent = record(response, "_send");
      response.writeProcessing();
      expect(sent).toEqual([]);
      response.end("ok");
    });
    expect(String(raw[0]?.[0])).toBe("HTTP/1.1 102 Processing\r\n\r\n");
    expect(responses[0]?.interim).toHaveLength(1);
  });
});

describe("a response that is flushed", () => {
  it("is detached from its socket before the connection is closed by destroySoon", async () => {
    const order: string[] = [];
    await ask((request, response) => {
      const { socket } = request;
      const detach = response.detachSocket;
      response.detachSocket = (given: Socket) => {
        order.push("detachSocket");
        detach.call(response, given);
      };
      const soon = socket.destroySoon;
      socket.destroySoon = () => {
        order.push(`destroySoon ${socket.constructor.name}`);
        expect((socket as { _httpMessage?: unknown })._httpMessage).toBeNull();
        soon.call(socket);
      };
      response.setHeader("Connection", "close");
      response.end("ok");
    });
    expect(order).toEqual(["detachSocket", "destroySoon Socket"]);
  });

  it("closes the connection when _last is set after end()", async () => {
    const { end } = await ask((_request, response) => {
      response.end("ok");
      response._last = true;
    });
    expect(end).toBe("fin");
  });

  it("is what the socket calls _httpMessage while it is under way", async () => {
    let same = false;
    await ask((request, response) => {
      same = (request.socket as { _httpMessage?: unknown })._httpMessage === response;
      response.end("ok");
    });
    expect(same).toBe(true);
  });
});

describe("a pipelined response", () => {
  const two = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n";

  it("has no socket before its turn, and its output waits in outputData", async () => {
    const waiting: NodeResponse[] = [];
    let state: unknown;
    const { valid, responses } = await ask((request, response) => {
      waiting.push(response);
      if (request.url === "/1") return;
      response.end("second");
      state = { socket: response.socket, pieces: response.outputData.length > 0, size: response.outputSize > 0 };
      waiting[0]?.end("first");
    }, two);
    expect(state).toEqual({ socket: null, pieces: true, size: true });
    expect(valid).toBe(true);
    expect(responses.map((response) => response.text())).toEqual(["first", "second"]);
  });

  it("is flushed through _flushOutput, with the socket as its argument", async () => {
    const flushed: unknown[] = [];
    await ask((request, response) => {
      if (request.url === "/1") {
        setImmediate(() => response.end("first"));
        return;
      }
      const native = response._flushOutput;
      response._flushOutput = (socket) => {
        flushed.push(socket === request.socket);
        return native.call(response, socket);
      };
      response.end("second");
    }, two);
    expect(flushed).toEqual([true]);
  });

  it("keeps the callback of end() with the last piece in outputData", async () => {
    let callbacks: unknown[] = [];
    await ask((request, response) => {
      if (request.url === "/1") {
        setImmediate(() => response.end("first"));
        return;
      }
      response.end("second");
      callbacks = response.outputData.map(({ callback }) => callback);
    }, two);
    expect(callbacks.filter(isFinishCallback)).toHaveLength(1);
  });
});

describe("chunks written under cork()", () => {
  it(`${LOSES_CORKED_CHUNKS ? "are overtaken by the last chunk" : "arrive in their order"} on this Node`, async () => {
    const { octets } = await ask((_request, response) => {
      response.cork();
      response.write("a");
      response.write("b");
      response.end("c");
    });
    const content = octets.toString("latin1").split("\r\n\r\n").slice(1).join("\r\n\r\n");
    const isWhole = /a.*b.*c.*0\r\n\r\n$/s.test(content);
    expect(isWhole).toBe(!LOSES_CORKED_CHUNKS);
    expect(LOSES_CORKED_CHUNKS).toBe(major === 22 || major === 24);
  });

  it("are counted in writableCorked, which uncork() lowers", async () => {
    const counts: number[] = [];
    await ask((_request, response) => {
      response.cork();
      counts.push(response.writableCorked);
      response.uncork();
      counts.push(response.writableCorked);
      response.end();
    });
    expect(counts).toEqual([1, 0]);
  });
});

describe("a request", () => {
  it("destroys its socket synchronously", async () => {
    const states: boolean[] = [];
    const { end } = await ask((request) => {
      const { socket } = request;
      request.destroy();
      // The guard lets its stand-in find out on whose behalf the socket is destroyed while destroy() is on the stack.
      states.push(socket.destroyed);
    });
    expect(states).toEqual([true]);
    expect(end).not.toBe("open");
  });

  it("hands its error on to socket.destroy", async () => {
    const errors: unknown[] = [];
    const error = new Error("mine");
    await ask((request) => {
      const { socket } = request;
      const { destroy } = socket;
      socket.on("error", () => {});
      request.on("error", () => {});
      socket.destroy = (given?: Error) => {
        errors.push(given);
        return destroy.call(socket, given);
      };
      request.destroy(error);
    });
    expect(errors[0]).toBe(error);
  });
});

describe("the classes of a server", () => {
  it("stand in slots of its own, found by the description of their symbols", () => {
    const server = http.createServer();
    for (const name of ["ServerResponse", "IncomingMessage"] as const) {
      const slot = classSlot(server, name);
      expect((server as unknown as Record<symbol, unknown>)[slot as symbol]).toBe(http[name]);
    }
  });

  it("are read for each request, so that a class put there later is used", async () => {
    class Mine extends ServerResponse {}
    const names: string[] = [];
    const server = http.createServer((_request, response) => {
      names.push(response.constructor.name);
      response.end("ok");
      (server as unknown as Record<symbol, unknown>)[classSlot(server, "ServerResponse") as symbol] = Mine;
    });
    await exchange(await listen(server), [{ path: "/1" }, { path: "/2" }]);
    expect(names).toEqual(["ServerResponse", "Mine"]);
  });

  it("get the request, and the options, as arguments", async () => {
    const args: unknown[][] = [];
    class Mine extends ServerResponse {
      constructor(...given: [request: IncomingMessage]) {
        super(...given);
        args.push([given[0].url, typeof (given as unknown[])[1]]);
      }
    }
    const server = http.createServer({ ServerResponse: Mine }, (_request, response) => void response.end("ok"));
    await exchange(await listen(server), { path: "/1" });
    expect(args).toEqual([["/1", "object"]]);
  });
});

describe("a server", () => {
  it("emits through an `emit` of its own", async () => {
    const events: unknown[] = [];
    const server = http.createServer((_request, response) => response.end("ok"));
    const { emit } = server;
    server.emit = (...args: unknown[]) => {
      events.push(args[0]);
      return Reflect.apply(emit, server, args) as boolean;
    };
    await exchange(await listen(server), { path: "/" });
    expect(events).toEqual(expect.arrayContaining(["connection", "request"]));
  });

  it("answers a client that half-closes where httpAllowHalfOpen is set, and not otherwise", async () => {
    for (const allowed of [true, false]) {
      const server = http.createServer((_request, response) =>
        setImmediate(() => setImmediate(() => response.end("ok"))),
      );
      expect((server as { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen).toBe(false);
      (server as { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen = allowed;
      server.on("request", (request) => request.resume());
      const octets = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx";
      const { responses } = await exchange(await listen(server), octets, { halfClose: true });
      expect(responses.length === 1 && responses[0]?.complete).toBe(allowed);
    }
  });

  it("has keepAliveTimeout, headersTimeout and requestTimeout", () => {
    const server = http.createServer();
    expect([server.keepAliveTimeout, server.headersTimeout, server.requestTimeout].every(Number.isInteger)).toBe(true);
  });

  it("is told from one of http2 by updateSettings, since one with allowHTTP1 has the same timeouts", () => {
    expect("updateSettings" in http.createServer()).toBe(false);
    expect("updateSettings" in http2.createServer()).toBe(true);
    const both = http2.createSecureServer({ allowHTTP1: true });
    expect("updateSettings" in both).toBe(true);
    expect("headersTimeout" in both).toBe(true);
  });

  it("closes the socket of a CONNECT and of a malformed request, unless somebody listens", async () => {
    const connecting = await ask((_request, response) => response.end(), "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");
    expect(connecting.octets.length).toBe(0);
    const errors: string[] = [];
    const server = http.createServer();
    server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
      errors.push(String(error.code));
      socket.destroy();
    });
    await exchange(await listen(server), "nonsense\r\n\r\n");
    expect(errors[0]).toMatch(/^HPE_/);
  });

  it("asks its listenerCount, from onParserExecuteCommon, whether to close the socket of a CONNECT or to emit it", async () => {
    const server = http.createServer();
    const { listenerCount, emit } = server;
    const askers: (string | undefined)[] = [];
    server.listenerCount = function (this: typeof server, event: string) {
      if (event !== "connect") return listenerCount.call(this, event);
      askers.push(runningFunctions()[1]);
      return 1;
    };
    server.emit = function (this: typeof server, event: string, ...args: unknown[]) {
      if (event === "connect") (args[1] as Socket).end("emitted");
      return Reflect.apply(emit, this, [event, ...args]) as boolean;
    } as typeof emit;
    const { octets } = await exchange(await listen(server), "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");
    expect(octets.toString()).toBe("emitted");
    expect(askers).toEqual(["onParserExecuteCommon node:_http_server"]);
  });
});

describe("a socket", () => {
  it("calls destroy and destroySoon as own properties, and keeps its queue size in the handle", async () => {
    let size: unknown;
    await ask((request, response) => {
      size = (request.socket as { _handle?: { writeQueueSize?: unknown } })._handle?.writeQueueSize;
      response.end("ok");
    });
    expect(typeof size).toBe("number");
  });

  it.each(["http", "https"] as const)(
    "is listened to for close by functions of Node's with these names, %s",
    async (scheme) => {
      const left: [unknown[], unknown[]][] = [];
      const listener: RequestListener = ({ socket }, response) => {
        const listeners = () => socket.rawListeners("close");
        const before = listeners();
        tellSocketClosed(socket, false);
        left.push([before, listeners()]);
        response.end("ok");
      };
      const server = scheme === "http" ? http.createServer(listener) : https.createServer(selfSigned(), listener);
      const { port } = (await listen(server)).address() as AddressInfo;
      await exchange({ port, tls: scheme === "https" && { rejectUnauthorized: false } }, {});
      expect(left).toHaveLength(1);
      for (const [before, after] of left) expect(after).toEqual(before);
    },
  );

  it("names internal/stream_base_commons or onwriteError in the stack when the connection itself fails", async () => {
    const stacks: string[] = [];
    const server = http.createServer((request) => {
      const { socket } = request;
      const { destroy } = socket;
      socket.destroy = (error?: Error) => {
        stacks.push(String(new Error().stack));
        return destroy.call(socket, error);
      };
    });
    await exchange(await listen(server), "GET / HTTP/1.1\r\nHost: a\r\n\r\n", { abortAfterMs: 20, timeoutMs: 500 });
    await expect.poll(() => stacks.length).toBeGreaterThan(0);
    expect(stacks[0]).toMatch(/stream_base_commons|onwriteError|errorOrDestroy/);
  });
});

describe("a socket that is destroyed with an error", () => {
  const closing = (prepare: (socket: Socket) => void, how: (socket: Socket) => void) =>
    new Promise<unknown[]>((resolve, reject) => {
      const told: unknown[] = [];
      const server = http.createServer(({ socket }) => {
        socket.on("error", (error) => told.push(error.message));
        socket.on("close", (hadError) => resolve([...told, hadError]));
        prepare(socket);
        how(socket);
      });
      listen(server).then(() => {
        const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
        client.on("error", () => {});
        client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      }, reject);
    });
  const mine = new Error("mine");

  it("emits no `error` where it is marked as emitted, and closes with it all the same", async () => {
    const destroys = (socket: Socket) => void socket.destroy(mine);
    expect(await closing(() => {}, destroys)).toEqual(["mine", true]);
    expect(await closing((socket) => markErrorEmitted(socket), destroys)).toEqual([true]);
  });

  it("is destroyed by resetAndDestroy() and destroySoon() through its own destroy(), without an error", async () => {
    for (const name of ["resetAndDestroy", "destroySoon"] as const) {
      const seen: unknown[] = [];
      const prepare = (socket: Socket) => {
        const { destroy } = socket;
        socket.destroy = function (error) {
          seen.push(error);
          return destroy.call(this, mine);
        };
      };
      expect(await closing(prepare, (socket) => void socket[name]())).toEqual(["mine", true]);
      expect(seen[0]).toBeUndefined();
    }
  });
});

describe("a stream of node:http2", () => {
  it("has the methods the guard stands in front of, and headersSent as a getter of a prototype", async () => {
    const server = http2.createServer();
    const seen: unknown[] = [];
    server.on("request", (_request, response) => {
      const { stream } = response;
      const names = [
        "respond",
        "respondWithFD",
        "respondWithFile",
        "additionalHeaders",
        "write",
        "end",
        "destroy",
        "close",
      ];
      seen.push(names.every((name) => typeof (stream as unknown as Record<string, unknown>)[name] === "function"));
      let at: object | null = stream;
      while (at !== null && !Object.hasOwn(at, "headersSent")) at = Object.getPrototypeOf(at) as object | null;
      seen.push(typeof Object.getOwnPropertyDescriptor(at ?? {}, "headersSent")?.get, stream.headersSent);
      // What the response does goes through methods that are own properties of the stream.
      const respond = stream.respond.bind(stream);
      stream.respond = (...args) => {
        seen.push("respond");
        respond(...args);
      };
      response.end("ok");
      seen.push(stream.headersSent);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const request = client.request({ ":path": "/" });
    request.resume();
    await once(request, "close");
    client.close();
    await new Promise((resolve) => server.close(resolve));
    expect(seen).toEqual([true, "function", false, "respond", true]);
  });

  it("does not end what it has noted as ended, and does once that note is gone", async () => {
    const server = http2.createServer();
    let ended: Promise<boolean> | undefined;
    server.on("stream", (stream) => {
      stream.respond({ ":status": 200 });
      keepOpen(stream, true);
      stream.write("content");
      stream.end();
      ended = new Promise((resolve) => {
        setTimeout(() => {
          resolve(request.readableEnded);
          keepOpen(stream, false);
          (stream as unknown as { _final(callback: () => void): void })._final(() => {});
        }, 50);
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const request = client.request({ ":path": "/" });
    request.resume();
    await once(request, "end");
    expect(await ended).toBe(false);
    client.close();
    server.close();
  });

  it("has a handle that resets it, is destroyed with it, and leads back to it", async () => {
    const server = http2.createServer();
    const seen: unknown[] = [];
    server.on("stream", (stream) => {
      const handle = handleOf(stream);
      const { rstStream, destroy, getAsyncId, onread } = handle ?? {};
      seen.push(...[rstStream, destroy, getAsyncId, onread].map((method) => typeof method));
      const owners = Object.getOwnPropertySymbols(handle).filter(
        (key) => Reflect.get(handle as object, key) === stream,
      );
      seen.push(owners.map(({ description }) => description));
      Object.assign(handle as object, { rstStream: (code: number) => void seen.push(code) });
      stream.respond({ ":status": 200 }, { endStream: true });
      stream.close(8);
      seen.push(stream.closed);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    client.request({ ":path": "/", ":method": "POST" }).on("error", () => {});
    await expect.poll(() => seen.at(-1)).toBe(true);
    expect(seen).toEqual(["function", "function", "function", "function", ["owner_symbol"], 8, true]);
    client.destroy();
    server.close();
  });

  it("drops what has not left where it is closed behind content, with NO_ERROR, and its own client takes the rest for all", async () => {
    const server = http2.createServer();
    server.on("stream", (stream) => {
      stream.respond({ ":status": 200 });
      stream.write("x".repeat(300_000));
      stream.close();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const request = client.request({ ":path": "/" });
    let octets = 0;
    request.on("data", (chunk: Buffer) => {
      octets += chunk.byteLength;
    });
    await once(request, "close");
    client.destroy();
    server.close();
    expect(octets).toBeLessThan(300_000);
    expect([request.rstCode, request.readableEnded, request.aborted]).toEqual([0, true, false]);
  });

  it("shows its guard the socket below its session, and how much of a file it has been given", async () => {
    const server = http2.createServer();
    let below: unknown;
    server.on("connection", (socket) => (below = socket));
    const counted = new Promise((resolve) => {
      server.on("stream", (stream) => {
        const { session } = stream;
        expect(session && socketOf(session)).toBe(below);
        stream.respondWithFile(import.meta.filename);
        const handle = handleOf(stream);
        stream.on("close", () => resolve(handle?.bytesWritten));
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    client.request({ ":path": "/" }).resume();
    expect(await counted).toBe(statSync(import.meta.filename).size);
    client.destroy();
    server.close();
  });
});

describe("a list of connections", () => {
  it("is made as a server begins to listen, and not before", () => {
    const server = http.createServer();
    const names = () => Object.getOwnPropertySymbols(server).map(({ description }) => description);
    expect(names()).not.toContain("http.server.connections");
    server.emit("listening");
    expect(names()).toContain("http.server.connections");
    server.close();
  });

  it("that is there while a server is given a connection keeps it from then on", async () => {
    const server = http.createServer((_request, response) => response.end("ok"));
    const front = createTcpServer((socket) => withList(server, socket, () => server.emit("connection", socket)));
    await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
    const client = connect((front.address() as AddressInfo).port, "127.0.0.1");
    await expect.poll(() => socketsOf(server).length).toBe(1);
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await expect.poll(() => idleSocketsOf(server).length).toBe(1);
    expect(Object.getOwnPropertySymbols(server).map(({ description }) => description)).not.toContain(
      "http.server.connections",
    );
    client.destroy();
    await expect.poll(() => socketsOf(server).length).toBe(0);
    front.close();
  });
});

describe("a parser", () => {
  it("calls what it has at 3 for content and at 4 for the end of a request, which it has as `incoming`", async () => {
    const calls: string[] = [];
    const server = http.createServer((request, response) => {
      type Called = { incoming: IncomingMessage | null } & Record<number, (...args: unknown[]) => unknown>;
      const { parser } = request.socket as Socket & { parser: Called };
      for (const at of [3, 4]) {
        const below = parser[at] as (...args: unknown[]) => unknown;
        parser[at] = function (this: Called, ...args: unknown[]) {
          calls.push(`${at} ${this.incoming === request}`);
          return below.apply(this, args);
        };
      }
      request.resume().on("end", () => response.end());
    });
    await listen(server);
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    client.write("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\na");
    await once(client.resume(), "close");
    expect(calls).toEqual(["3 true", "4 true"]);
    server.close();
  });
});

describe("what a keeper's process relies on", () => {
  it("is a parser that calls at the first octet of each message", async () => {
    const begun: string[] = [];
    const server = http.createServer((request, response) => response.end(String(begun.push(request.url as string))));
    server.on("connection", (socket) => {
      const { parser } = socket as Socket & { parser: Record<number, () => void> };
      parser[0] = () => void begun.push("begins");
    });
    await listen(server);
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    client.write("G");
    await expect.poll(() => begun).toEqual(["begins"]);
    client.write("ET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    await expect.poll(() => begun).toEqual(["begins", "/a", "begins", "/b"]);
    client.destroy();
  });

  it("is a server that listens with whatever stands in the place of its handle, and takes what that is given", async () => {
    const server = http.createServer((_request, response) => response.end("ok"));
    const handle = { onconnection: undefined as unknown as (error: number, client: object) => void };
    Object.assign(handle, { listen: () => 0, close() {}, ref() {}, unref() {} });
    Object.assign(handle, { getsockname: (out: object) => Object.assign(out, { port: 1 }) && 0 });
    Object.assign(server, { _handle: handle });
    (server as unknown as { _listen2(...args: unknown[]): void })._listen2("127.0.0.1", 1, 4, 511, undefined, 0);
    await once(server, "listening");
    expect(server.address()).toMatchObject({ port: 1 });
    const front = createTcpServer({ pauseOnConnect: true }, (socket) => {
      const accepted = socket as Socket & { _handle: object | null };
      const client = accepted._handle as object;
      accepted._handle = null;
      handle.onconnection(0, client);
    });
    await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
    const { responses } = await exchange({ port: (front.address() as AddressInfo).port }, { path: "/" });
    expect(responses.map(({ status }) => status)).toEqual([200]);
    front.close();
    server.close();
  });
});
