import { setTimeout as sleep } from "node:timers/promises";
import type { ExchangeRequest, ExchangeResult } from "../../src/testing/index.js";
import { Http2Wire } from "../helpers/http2-wire.js";

export type Http2Ways = {
  readonly secure: boolean;
  /** Every request at once, each on a stream of its own. */
  readonly pipeline: boolean;
  /** The content comes in pieces, some time apart. */
  readonly late: boolean;
  /** What the client does to the first stream while it is answered. */
  readonly act?: "cancels" | "pauses" | "leaves" | undefined;
  readonly timeoutMs: number;
};

/** Of a connection of HTTP/2 more is known than of one of HTTP/1.1: how each of its streams has ended. */
export type Http2Result = ExchangeResult & { readonly ends: readonly string[] };

/** When the client acts upon a stream, in milliseconds, and how long it pauses. */
const ACTS_AFTER_MS = 4;
const PAUSE_MS = 40;

/** What `exchange()` does over HTTP/1.1: sends requests over one connection, and reads what comes back. */
export async function exchangeHttp2(
  port: number,
  requests: readonly ExchangeRequest[],
  { secure, pipeline, late, act, timeoutMs }: Http2Ways,
): Promise<Http2Result> {
  const from = performance.now();
  const wire = await Http2Wire.open(port, secure);
  wire.timeoutMs = timeoutMs;
  let isInTime = true;
  for (const [index, request] of requests.entries()) {
    // Node's session tells of a GOAWAY some turns later.
    if (!wire.reusable) break;
    send(wire, request, index, late);
    if (index === 0 && act !== undefined) void meddle(wire, act);
    if (!pipeline) isInTime = (await wire.answers(index + 1)) && isInTime;
  }
  if (pipeline) isInTime = await wire.answers(wire.streams.length);
  // A reset may come behind the end of an answer.
  await sleep(5);
  const { problems: seen, octets, end } = wire.seen();
  const responses = wire.streams.map((stream) => stream.read()) as ExchangeResult["responses"];
  const problems = [
    ...responses.flatMap((response) => response?.problems ?? []),
    ...seen.filter(({ code }) => code === "unanswered"),
  ];
  while (responses.length > 0 && responses.at(-1) === undefined) responses.pop();
  const ends = wire.streams.map(({ ended, reset }) => `${ended ? "END_STREAM" : ""} ${reset ?? ""}`.trim());
  await wire.close();
  const ms = performance.now() - from;
  return {
    ...{ responses, problems, octets, end, ends, ms, timedOut: !isInTime, error: undefined, tooMuch: false },
    ...{ firstOctetMs: undefined, lastOctetMs: undefined, valid: isInTime && problems.length === 0 },
  };
}

function send(wire: Http2Wire, request: ExchangeRequest, index: number, late: boolean): void {
  const { method = "GET", path = "/", headers, body } = request;
  const given = Object.entries((headers ?? {}) as Record<string, string>);
  const fields = Object.fromEntries(given.map(([name, value]) => [name.toLowerCase(), value]));
  const content = String(body ?? "");
  // A length beyond what is sent: the upload never comes to its end.
  const isUnfinished = "content-length" in fields;
  const isDripped = late && content !== "";
  wire.send({ method, path, headers: fields, body: isUnfinished || isDripped ? null : content });
  if (isUnfinished) wire.write(content, index);
  else if (isDripped) void drip(wire, content, index);
}

/** Sends content in pieces of 100 octets, 10 ms apart. */
async function drip(wire: Http2Wire, content: string, at: number): Promise<void> {
  for (let from = 0; from < content.length; from += 100) {
    await sleep(10);
    wire.write(content.slice(from, from + 100), at);
  }
  wire.finish(at);
}

async function meddle(wire: Http2Wire, act: "cancels" | "pauses" | "leaves"): Promise<void> {
  if (act === "pauses") wire.pause(0);
  await sleep(act === "pauses" ? PAUSE_MS : ACTS_AFTER_MS);
  if (act === "pauses") wire.resume(0);
  else if (act === "cancels") wire.cancel(0);
  else wire.destroy();
}
