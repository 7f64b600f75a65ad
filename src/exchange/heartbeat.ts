/** A comment, which every reader of an event stream skips (HTML, section 9.2.6). */
export const HEARTBEAT = ":\n\n";

/** Finds the media type of a stream of events in a rendered header section. */
export const EVENT_STREAM = /\r\ncontent-type: ?text\/event-stream/i;
const CODED = /\r\ncontent-encoding: ?(?!identity)/i;

/** Whether this is the header section of a stream of events whose octets are the events themselves. */
export function isEventStream(header: string): boolean {
  return EVENT_STREAM.test(header) && !CODED.test(header);
}

/** Whether what was written last leaves an event stream between two events. */
export function endsEvent(chunk: unknown): boolean {
  if (chunk === undefined) return true;
  const tail =
    typeof chunk === "string" ? chunk.slice(-4) : Buffer.from((chunk as Uint8Array).slice(-4)).toString("latin1");
  return /(?:\n\n|\r\r|\r\n\r\n)$/.test(tail);
}
