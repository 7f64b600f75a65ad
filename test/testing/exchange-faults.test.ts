import { once } from "node:events";
import http from "node:http";
import net, { type AddressInfo, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { type ExchangeOptions, type ExchangeResult, exchange } from "../../src/testing/index.js";
import { CHUNKED, HELLO, head } from "../parser/streams/stream-case.js";
import { answering, listen, tcp } from "./servers.js";

const TO_THE_CLOSE = `${head("Connection: close\r\n")}hello`;
const CLOSING = head("Connection: close\r\nContent-Length: 0\r\n");

/** The parts of a result that tell what went wrong. */
function verdict({ end, timedOut, valid, problems, responses }: ExchangeResult) {
  return {
    end,
    timedOut,
    valid,
    problems: problems.map(({ code }) => code),
    complete: responses.map((one) => one.complete),
  };
}

function fault(end: string, problems: string[], complete: boolean[] = []) {
  return { end, timedOut: false, valid: false, problems, complete };
}

const end = (socket: Socket) => socket.end();
const reset = (socket: Socket) => socket.resetAndDestroy();

describe("a connection that ends too early", () => {
  it.each<[string, string, (socket: Socket) => void, ReturnType<typeof fault>]>([
    ["close before an answer", "", end, fault("fin", ["unanswered"])],
    ["reset before an answer", "", reset, fault("reset", ["unanswered"])],
    [
      "close within the header section",
      "HTTP/1.1 200 OK\r\nDa",
      end,
      fault("fin", ["incomplete-header-section"], [false]),
    ],
    ["close within content of a length", HELLO.slice(0, -2), end, fault("fin", ["incomplete-content"], [false])],
    ["reset within content of a length", HELLO.slice(0, -2), reset, fault("reset", ["incomplete-content"], [false])],
    ["close within chunks", `${CHUNKED}5\r\nhello\r\n`, end, fault("fin", ["incomplete-content"], [false])],
    [
      "reset behind an interim response",
      "HTTP/1.1 100 Continue\r\n\r\n",
      reset,
      fault("reset", ["no-final-response"], [false]),
    ],
    // Node before 24 takes this reset for a clean close when it comes with the content.
    [
      "reset of content that lasts until the close",
      TO_THE_CLOSE,
      reset,
      fault("reset", ["incomplete-content"], [false]),
    ],
  ])("is told apart: %s", async (_name, octets, next, expected) => {
    const server = await tcp((socket) => {
      socket.once("data", () => (octets === "" ? next(socket) : socket.write(octets, () => next(socket))));
    });
    expect(verdict(await exchange(server, {}))).toEqual(expected);
  });

  it("does no harm to a response that was complete", async () => {
    const result = await exchange(await answering(HELLO, reset), {}, { keepOpenMs: 5000 });
    expect(result).toMatchObject({ valid: true, end: "reset", problems: [] });
  });

  it("is seen while the request is still being written", async () => {
    const server = await answering(CLOSING, end);
    const upload = { method: "POST", body: Buffer.alloc(16 * 1024 * 1024) };
    expect(await exchange(server, upload)).toMatchObject({ valid: true, end: "fin" });
    const slow = { writes: { chunkOctets: 1024, delayMs: 1 } };
    expect(await exchange(server, upload, slow)).toMatchObject({ valid: true, end: "fin" });
  });

  it("is seen although nobody reads what we write", async () => {
    const server = await answering(CLOSING, (socket) => socket.pause().end());
    const upload = { method: "POST", body: Buffer.alloc(16 * 1024 * 1024) };
    expect(await exchange(server, upload)).toMatchObject({ valid: true, end: "fin" });
  });

  it("is a missing answer when it comes unannounced between requests", async () => {
    const server = await answering(HELLO, end);
    const result = await exchange(server, [{}, {}]);
    expect(result).toMatchObject({ valid: false, end: "fin", problems: [{ code: "unanswered" }] });
  });

  it("is a connection never made when it is refused", async () => {
    const server = await tcp(() => undefined);
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    for (const tls of [false, true]) {
      const result = await exchange({ port, tls }, {});
      expect(verdict(result)).toEqual(fault("reset", ["no-connection"]));
      expect(result).toMatchObject({ error: { code: "ECONNREFUSED" }, firstOctetMs: undefined });
      expect(result.octets.length).toBe(0);
    }
  });
});

describe("silence", () => {
  it.each<[string, string, string, boolean[]]>([
    ["before an answer", "", "unanswered", []],
    ["within the header section", "HTTP/1.1 200 OK\r\n", "incomplete-header-section", [false]],
    ["within the content", HELLO.slice(0, -1), "incomplete-content", [false]],
    ["behind an interim response", "HTTP/1.1 102 Processing\r\n\r\n", "no-final-response", [false]],
    ["of content that lasts until the close", TO_THE_CLOSE, "incomplete-content", [false]],
  ])("ends the exchange at its timeout: %s", async (_name, octets, code, complete) => {
    const result = await exchange(await answering(octets), {}, { timeoutMs: 80 });
    expect(verdict(result)).toEqual({ end: "open", timedOut: true, valid: false, problems: [code], complete });
    expect(result.ms).toBeGreaterThanOrEqual(79);
  });

  it("is no fault behind a complete response", async () => {
    const result = await exchange(await answering(HELLO), {}, { timeoutMs: 80, keepOpenMs: 10_000 });
    expect(result).toMatchObject({ valid: true, timedOut: false, end: "open" });
  });

  it("is a fault behind a response that announces the close", async () => {
    const announced = await exchange(await answering(CLOSING), {});
    expect(verdict(announced)).toEqual(fault("open", ["not-closed"], [true]));
  });

  it("is a fault behind a request that asks for the close", async () => {
    const result = await exchange(await answering(HELLO), { headers: { Connection: "close" } });
    expect(verdict(result)).toEqual(fault("open", ["not-closed"], [true]));
  });
});

describe("octets that nobody asked for", () => {
  it("are seen with the response", async () => {
    const result = await exchange(await answering(`${HELLO}!`), [{}, {}]);
    expect(verdict(result)).toEqual(fault("open", ["surplus-octets"], [true]));
  });

  it("are seen behind the response, as long as the connection is kept open", async () => {
    const server = await answering(HELLO, (socket) => setImmediate(() => socket.end("!")));
    const result = await exchange(server, {}, { keepOpenMs: 5000 });
    expect(verdict(result)).toEqual(fault("fin", ["surplus-octets"], [true]));
  });

  it("are seen as content of a response to HEAD", async () => {
    const result = await exchange(await answering(HELLO), { method: "HEAD" });
    expect(result.problems).toMatchObject([{ code: "surplus-octets", rule: "FR-11" }]);
  });

  it("are no HTTP at all", async () => {
    const result = await exchange(await answering("220 mail ESMTP\r\n"), {});
    expect(verdict(result)).toEqual(fault("open", ["not-http"], [false]));
  });

  it("are a switch of protocols without Upgrade in the request", async () => {
    const octets = head("Connection: upgrade\r\nUpgrade: x\r\n", "HTTP/1.1 101 Switching Protocols");
    const server = await answering(octets);
    expect(verdict(await exchange(server, {}))).toEqual(fault("open", ["unrequested-switch"], [true]));
    const asked = await exchange(server, { headers: { Connection: "upgrade", Upgrade: "x" } });
    expect(asked).toMatchObject({ valid: true, end: "open" });
  });
});

describe("our own reset", () => {
  it.each<[string, () => ExchangeOptions]>([
    ["by a signal", () => ({ signal: AbortSignal.timeout(50) })],
    ["after a time", () => ({ abortAfterMs: 50 })],
  ])("reaches the server as a reset: %s", async (_name, options) => {
    const server = await listen(net.createServer());
    const connected = once(server, "connection") as Promise<[Socket]>;
    const failed = connected.then(([socket]) => once(socket.resume(), "error"));
    const result = await exchange(server, {}, options());
    expect(verdict(result)).toEqual(fault("open", ["unanswered"]));
    expect(await failed).toMatchObject([{ code: "ECONNRESET" }]);
  });

  it("leaves no connection when the signal was aborted before", async () => {
    const result = await exchange(await answering(HELLO), {}, { signal: AbortSignal.abort() });
    expect(verdict(result)).toEqual(fault("open", ["no-connection"]));
  });
});

describe("bad arguments", () => {
  const target = { port: 1 };
  it.each<[string, unknown, unknown, unknown]>([
    ["target must be", "localhost:80", {}, {}],
    ["target must be", "ftp://localhost", {}, {}],
    ["target must be", {}, {}, {}],
    ["target must be", undefined, {}, {}],
    ["does not listen", http.createServer(), {}, {}],
    ["at least", target, [], {}],
    ["octets only", target, "GET /\u20ac", {}],
    ["method", target, { method: "" }, {}],
    ["timeoutMs", target, {}, { timeoutMs: -1 }],
    ["keepOpenMs", target, {}, { keepOpenMs: Number.NaN }],
    ["pauseReadingMs", target, {}, { pauseReadingMs: "1" }],
    ["abortAfterMs", target, {}, { abortAfterMs: 2 ** 31 }],
    ["writes", target, {}, { writes: "slow" }],
    ["writes", target, {}, { writes: { chunkOctets: 0, delayMs: 1 } }],
    ["timeout;", target, {}, { timeout: 5 }],
  ])("are refused: %s", async (message, to, request, options) => {
    const refused = exchange(to as never, request as never, options as never);
    await expect(refused).rejects.toThrow(TypeError);
    await expect(refused).rejects.toMatchObject({
      code: "ERR_RAYGUARD_INVALID_ARGUMENT",
      message: expect.stringContaining(message),
    });
  });
});
