import { CLOSE } from "../../exchange/framing.js";
import { prematureClose, rawWrite } from "../../report/incidents.js";
import { RawResponse } from "../message/raw-response.js";
import { type Followed, follow, type RawExchange } from "./raw-writes.js";

/** An exchange that is only looked at, and whose app may write the response to the socket itself. */
export interface WatchedRaw extends Followed, Pick<RawExchange, "method" | "canPersist" | "switches"> {
  /** Looks at an interim response that goes out as it is. */
  watchInterim(section: string): void;
}

/** What an app writes to the socket itself, where that goes out as it is (report mode): told as `raw-writes.ts` judges it. */
export function watchRaw(exchange: WatchedRaw, octets: Buffer, last: boolean): void {
  const { rawStream } = exchange;
  if (exchange.phase.isOver) return;
  if (rawStream === null) collect(exchange, octets, last);
  else followed(exchange, rawStream.content.take(octets) < octets.length);
}

function collect(exchange: WatchedRaw, octets: Buffer, last: boolean): void {
  const raw = exchange.raw ?? new RawResponse(exchange.request, exchange.method);
  exchange.raw = raw;
  raw.add(octets);
  for (const section of raw.takeInterims()) exchange.watchInterim(section);
  if (raw.isEmpty) {
    exchange.raw = null;
    return;
  }
  if (exchange.switches(raw)) {
    whole(exchange);
    return;
  }
  const answer = raw.answer(last ? "fin" : "open");
  if (answer !== null) {
    if (answer.repair !== null) exchange.repaired(answer.repair);
    exchange.status = answer.status;
    exchange.sent = answer.octets.byteLength - answer.head.length;
    whole(exchange);
    return;
  }
  const stream = raw.stream(!exchange.canPersist);
  if (stream === null) return;
  follow(exchange, stream);
  followed(exchange, false);
}

/** @param isMore - there is something behind its end */
function followed(exchange: WatchedRaw, isMore: boolean): void {
  const { content } = exchange.rawStream as NonNullable<WatchedRaw["rawStream"]>;
  exchange.sent = content.octets;
  if (content.state === "open") return;
  const failure = rawWrite({ prevented: null, status: exchange.status });
  if (content.state === "broken") exchange.fail(failure);
  else if (isMore) exchange.repaired(failure);
  whole(exchange);
}

/** Nothing more is to come of it. */
function whole(exchange: WatchedRaw): void {
  exchange.raw = null;
  exchange.phase = exchange.phase.after.commit.after.end;
  exchange.settle(true);
}

/** The app ends or destroys the connection. */
export function watchRawClose(exchange: WatchedRaw, how: string, error: unknown): void {
  const { raw, rawStream } = exchange;
  const answer = raw?.answer("fin") ?? null;
  if (answer !== null || rawStream?.framing === CLOSE) whole(exchange);
  else exchange.fail(raw === null ? prematureClose(how, error) : rawWrite({ err: error, closes: true }));
}
