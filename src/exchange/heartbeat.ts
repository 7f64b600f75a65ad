/** A comment, which every reader of an event stream skips (HTML, section 9.2.6). */
export const HEARTBEAT = ":\n\n";

/** Finds the media type of a stream of events in a rendered header section. */
export const EVENT_STREAM = /\r\ncontent-type: ?text\/event-stream/i;
const CODED = /\r\ncontent-encoding: ?(?!identity)/i;

/** Whether this is the header section of a stream of events whose octets are the events themselves. */
export function isEventStream(header: string): boolean {
  return EVENT_STREAM.test(header) && !CODED.test(header);
}

/** The end of what was written, with a chunk behind it. */
export function tailOf(before: string, chunk: string | NodeJS.ArrayBufferView): string {
  if (typeof chunk === "string") return (before + chunk.slice(-4)).slice(-4);
  const octets = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  return (before + octets.subarray(-4).toString("latin1")).slice(-4);
}

/** Whether an event stream with this end stands between two events. */
export function endsEvent(tail: string): boolean {
  return tail === "" || /(?:\n\n|\r\r|\r\n\r\n)$/.test(tail);
}
