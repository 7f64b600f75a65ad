import type { ServerHttp2Stream } from "node:http2";

/** Octets of content in one write that a recipient may well take longer for than it is waited for. */
const LONG_WRITE = 1_048_576;
/** Octets of the longest frame that every recipient takes (RFC 9113, section 4.2). */
const FRAME = 16_384;

/** What is known of the octets of a stream. */
interface Moving {
  readonly stream: ServerHttp2Stream;
  /** Node sends a file. */
  readonly fromFile: boolean;
  /** Octets of the response that the app has handed over, those that the session has sent, those of the request. */
  readonly sent: number;
  readonly left: number;
  readonly received: number;
}

/** A number that changes whenever octets of a stream move, as far as Node tells. */
export function movementOf({ stream, fromFile, sent, left, received }: Moving): number {
  const { session } = stream;
  if (session === undefined || session.destroyed) return sent;
  // Of a file, and of one long write, Node tells the end alone. What the connection has taken meanwhile counts for it,
  // but not the few octets of an answer to a PING.
  const isLong = fromFile || sent - left > LONG_WRITE;
  const taken = isLong ? Math.floor(session.socket.bytesWritten / FRAME) : left;
  // What has arrived and is still to be read shows in the window alone, which reading opens again: it must not weigh
  // what has been read already.
  const window = stream.state.localWindowSize ?? 0;
  const unread = Math.max(0, (session.localSettings.initialWindowSize ?? 0) - window) / 2 ** 32;
  return taken + received + unread;
}
