import type { IncomingMessage } from "node:http";
import type { Page } from "../fallback/page.js";
import type { FieldLine } from "../http/message.js";
import type { Failure } from "../report/incidents.js";
import type { Peer } from "../trust/caller.js";

/**
 * How the octets of one request and its response move: all that is asked of a protocol, or told to it. Answers that are the
 * same for most of them stand here.
 */
export abstract class Carrier {
  abstract readonly request: IncomingMessage | null;
  /** Who is at the other end of the connection. */
  abstract readonly peer: Peer;

  /** Its connection, where there is one socket to each; null where there is none of its own. */
  get socket(): object | null {
    return null;
  }

  /** The session of HTTP/2 that carries it; null over any other protocol, and behind its end. */
  get session(): object | null {
    return null;
  }

  /** Whether there is a connection that waits for the response. */
  get hasConnection(): boolean {
    return true;
  }

  /** Whether it is the first request of a connection. */
  get isFirst(): boolean {
    return false;
  }

  /** The response waits for its turn, behind that to an earlier request on the connection. */
  get isQueued(): boolean {
    return false;
  }

  /** The client has left, and nobody waits for the response any more; what is left of the exchange follows. */
  get isLeft(): boolean {
    return false;
  }

  /** Content of the request is still to come. */
  get isUploading(): boolean {
    const { request } = this;
    return request !== null && !request.complete;
  }

  /**
   * What becomes of its connection once its fate is known: it can take a further request, ends, or speaks another
   * protocol.
   */
  get afterwards(): "idle" | "ends" | "other" {
    return "ends";
  }

  /** Status code of the final response, as far as it is decided. */
  abstract readonly status: number;
  /** Octets of message body handed to the connection. */
  abstract readonly octets: number;

  /** Octets of content, where the app has handed over all of it when the header section is decided. */
  get knownLength(): number | undefined {
    return undefined;
  }

  /** Field lines the response has so far. */
  abstract lostFields(): readonly FieldLine[];
  /** Whether a part of the final response may already be with the recipient. */
  abstract readonly isOut: boolean;
  /**
   * Whether part of the response would be with the recipient if nobody had held it back. The edge shows no error of its
   * own from then on: it can only cut what it has begun to pass on.
   */
  abstract isBegun(): boolean;
  /** All the content that was announced has been handed over. */
  abstract readonly isWhole: boolean;

  /** All of it has been sent: what is still to come is its client's, who may go on with the content of the request. */
  get isSent(): boolean {
    return false;
  }

  /** A recipient knows where the response ends, and sees that one is cut off in front of that. */
  get isDelimited(): boolean {
    return false;
  }

  /** A method of the app is on the stack, and what is done about a failure waits for its end. */
  get isInCall(): boolean {
    return false;
  }

  /** Whether this response is a stream of events, which has no end of its own. */
  get streamsEvents(): boolean {
    return false;
  }

  /** Whether this response is a stream of events that a comment may keep alive. */
  get hasHeartbeat(): boolean {
    return false;
  }

  /**
   * A number that changes whenever octets move: while nothing is committed those of the request's content, from then on
   * those of the response that leave the process.
   */
  abstract movement(): number;
  /** Octets the recipient has not taken yet. */
  abstract backlog(): number;

  /** Commits what is held, when it has been held for long enough. */
  abstract release(): void;
  /** Ends a response that is whole but for its end. */
  abstract finish(): void;
  /** Sends a complete response in place of the app's. Only while `isOut` is false. */
  abstract replace(page: Page, failure: Failure): void;
  /** Ends the connection, or the stream, so that nobody takes what went out for a complete message. */
  abstract tearDown(): void;
  /** Ends the connection, or the stream, of a response that the recipient does not take. */
  abstract abandon(): void;

  /** Sends such a comment. @returns false where it would fall into the middle of an event */
  beat(): boolean {
    return false;
  }

  /** Something fails behind the client's leaving. */
  failsBehindClient(): void {}

  /** An exception has gone past Node, and what was still to be done in that call is never done. */
  interrupted(): void {}

  /** The process is about to be gone: tells of what has ended, where all of it is known to be with the kernel. */
  tellBeforeExit(): void {}
}
