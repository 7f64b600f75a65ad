import type { Exchange } from "../../exchange/exchange.js";
import { CHUNKED } from "../../exchange/framing.js";
import { prematureClose, rawWrite } from "../../report/incidents.js";
import { type RawAnswer, RawResponse, type RawStream } from "../message/raw-response.js";

/** An exchange whose app may write the response to the socket itself. */
export interface Followed extends Exchange {
  status: number;
  /** What the app has written, until it is judged. */
  raw: RawResponse | null;
  /** The rest of it goes out as it comes. */
  rawStream: RawStream | null;
}

/** One for which a guard sees to that. */
export interface RawExchange extends Followed {
  /** That of its request, where nobody but the parser has seen it. */
  readonly method?: string | undefined;
  readonly connection: {
    /** The exchange that keeps its answer back until it is its turn. */
    readonly waiting: object | null;
    own<T>(act: () => T): T;
    call(name: "write", args: unknown[]): unknown;
  };
  /** Another request can follow on the connection. */
  readonly canPersist: boolean;
  sendInterim(section: string): void;
  /** @returns whether this hands the connection over to another protocol */
  switches(raw: RawResponse): boolean;
  /** Sends a response that has begun, and whose content is still to come. */
  begin(stream: RawStream): void;
  /** Sends the last octets of a response, behind which the connection is free for the next request, or ends. */
  sendRaw(octets: Buffer, answer: RawAnswer): void;
}

/**
 * The app writes to the socket itself.
 * @param last - it ends the connection with these octets
 * @returns false where they go out as they are
 */
export function writeRaw(exchange: RawExchange, octets: Buffer, last: boolean): boolean {
  const { rawStream } = exchange;
  if (rawStream === null || exchange.phase.isOver) collect(exchange, octets, last);
  else {
    const belong = rawStream.content.take(octets);
    exchange.sent = rawStream.content.octets;
    if (rawStream.content.state === "open") return false;
    endStream(exchange, rawStream, octets.subarray(0, belong), belong < octets.length);
  }
  return true;
}

function collect(exchange: RawExchange, octets: Buffer, last: boolean): void {
  if (exchange.phase.isVoid || exchange.phase.isCommitted) {
    if (exchange.hasNodeResponse) exchange.late(rawWrite());
    return;
  }
  const isFirst = exchange.raw === null;
  const raw = exchange.raw ?? new RawResponse(exchange.request, exchange.method);
  exchange.raw = raw;
  raw.add(octets);
  for (const section of raw.takeInterims()) exchange.sendInterim(section);
  if (raw.isEmpty) {
    exchange.raw = null;
    return;
  }
  if (exchange.switches(raw)) return;
  const answer = raw.answer(last ? "fin" : "open", last || !exchange.canPersist);
  if (answer !== null) {
    adopt(exchange, answer);
    return;
  }
  if (isFirst) exchange.supervisor.holdBack(exchange);
  if (raw.isLarge) releaseRaw(exchange);
}

/** The app ends or destroys the connection. @returns true where the guard takes over */
export function closeRaw(exchange: RawExchange, how: string, error: unknown): boolean {
  const { raw } = exchange;
  if (raw === null) return exchange.fail(prematureClose(how, error));
  const answer = raw.answer("fin");
  if (answer === null) {
    const isBegun = raw.stream(true) !== null;
    // Without the guard, the edge would have passed on what there is of it.
    return exchange.fail(
      isBegun ? { ...prematureClose(how, error), prevented: null } : rawWrite({ err: error, closes: true }),
    );
  }
  adopt(exchange, answer);
  return true;
}

/** Lets a raw response go, once its header section is whole: the rest of it goes out as it comes. */
export function releaseRaw(exchange: RawExchange): void {
  if (exchange.connection.waiting === exchange) return;
  const stream = exchange.raw?.stream(!exchange.canPersist) ?? null;
  if (stream === null) return;
  follow(exchange, stream);
  if (stream.content.state === "open") exchange.begin(stream);
  else endStream(exchange, stream, stream.octets);
}

/** A raw response has begun: the rest of it is followed to its end. */
export function follow(exchange: Followed, stream: RawStream): void {
  if (stream.repair !== null) exchange.repaired(stream.repair);
  exchange.raw = null;
  exchange.rawStream = stream;
  exchange.phase = exchange.phase.after.commit;
  exchange.status = stream.status;
  exchange.framing = stream.framing;
  exchange.sent = stream.content.octets;
  exchange.supervisor.committed(exchange);
}

/** Its content has come to its end, or cannot be read. @param isMore - there is something behind that */
export function endStream(exchange: RawExchange, stream: RawStream, rest: Buffer, isMore = false): void {
  const { connection } = exchange;
  const failure = rawWrite({ prevented: null, status: exchange.status });
  if (stream.content.state === "broken") {
    connection.own(() => connection.call("write", [rest]));
    exchange.fail(failure);
    return;
  }
  if (isMore) exchange.repaired(failure);
  exchange.phase = exchange.phase.after.replace;
  exchange.sendRaw(rest, stream);
}

/** The app has answered through the response object after all. */
export function dropRaw(exchange: Pick<RawExchange, "raw" | "repaired">): void {
  exchange.raw = null;
  exchange.repaired(rawWrite());
}

/** A raw response that is complete and valid takes the place of one through the response object. */
function adopt(exchange: RawExchange, answer: RawAnswer): void {
  if (answer.repair !== null) exchange.repaired(answer.repair);
  exchange.raw = null;
  exchange.phase = exchange.phase.after.replace;
  exchange.status = answer.status;
  exchange.framing = CHUNKED;
  exchange.sent = answer.octets.byteLength - answer.head.length;
  exchange.sendRaw(answer.octets, answer);
}
