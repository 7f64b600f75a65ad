import { CLOSE } from "../exchange/framing.js";
import { prematureClose, rawWrite } from "../report/incidents.js";
import type { Http1Exchange } from "./http1-exchange.js";
import { watchInterim, watchInterims } from "./interim-gate.js";
import { RawResponse } from "./raw-response.js";
import { follow } from "./raw-writes.js";
import { canPersist } from "./take-over.js";

/** What an app writes to the socket itself, where that goes out as it is (report mode): told as `raw-writes.ts` judges it. */
export function watchRaw(exchange: Http1Exchange, octets: Buffer, last: boolean): void {
  const { rawStream } = exchange;
  if (exchange.phase.isSettled) return;
  if (rawStream !== null) {
    const belong = rawStream.content.take(octets);
    followed(exchange, belong < octets.length);
  } else if (exchange.phase.isCommitted) {
    if (/^HTTP\/1\.[01] 1/.test(octets.toString("latin1", 0, 10))) watchInterims(exchange, octets);
  } else collect(exchange, octets, last);
}

function collect(exchange: Http1Exchange, octets: Buffer, last: boolean): void {
  const raw = exchange.raw ?? new RawResponse(exchange.request);
  exchange.raw = raw;
  raw.add(octets);
  for (const section of raw.takeInterims()) watchInterim(exchange, section);
  const answer = raw.isEmpty ? null : raw.answer(last ? "fin" : "open");
  if (raw.isEmpty) exchange.raw = null;
  if (answer !== null) {
    if (answer.repair !== null) exchange.repaired(answer.repair);
    exchange.status = answer.status;
    whole(exchange);
    return;
  }
  const stream = raw.stream(!canPersist(exchange));
  if (stream === null) return;
  follow(exchange, stream);
  followed(exchange, false);
}

/** @param isMore - there is something behind its end */
function followed(exchange: Http1Exchange, isMore: boolean): void {
  const { content } = exchange.rawStream as NonNullable<Http1Exchange["rawStream"]>;
  exchange.sent = content.octets;
  if (content.state === "open") return;
  const failure = rawWrite({ prevented: null, status: exchange.status });
  if (content.state === "broken") exchange.fail(failure);
  else if (isMore) exchange.repaired(failure);
  whole(exchange);
}

/** Nothing more is to come of it. */
function whole(exchange: Http1Exchange): void {
  exchange.raw = null;
  exchange.phase = exchange.phase.after.commit.after.end;
  exchange.settle(true);
}

/** The app ends or destroys the connection. */
export function watchRawClose(exchange: Http1Exchange, how: string, error: unknown): void {
  const { raw, rawStream } = exchange;
  const answer = raw?.answer("fin") ?? null;
  if (answer !== null || rawStream?.framing === CLOSE) whole(exchange);
  else exchange.fail(raw === null ? prematureClose(how, error) : rawWrite({ err: error, closes: true }));
}
