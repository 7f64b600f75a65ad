import type { ServerHttp2Stream } from "node:http2";
import { isDestroyed, socketOf } from "./internals.js";

/** Types and flags of frames (RFC 9113, section 6). */
const DATA = 0;
const HEADERS = 1;
const SETTINGS = 4;
const END_STREAM = 1;
const END_HEADERS = 4;

/** Octets of the longest frame that every recipient takes (RFC 9113, section 4.2). */
const LONGEST = 16_384;

/**
 * Sends an answer past the session, to which it belongs: the process ends, and the session sends in the next turn of the
 * event loop at the earliest. Nothing may be sent behind that.
 * @param content - `null`: none
 * @returns false where the recipient would not take it
 */
export function sendAtOnce(
  { id, session }: ServerHttp2Stream,
  fields: Readonly<Record<string, unknown>>,
  content: Uint8Array | null,
): boolean {
  const socket = session && socketOf(session);
  if (id === undefined || session === undefined || isDestroyed(session) || socket?.writable !== true) return false;
  const block = blockOf({ date: new Date().toUTCString(), ...fields });
  const octets = content?.byteLength ?? 0;
  const window = Math.min(session.remoteSettings.initialWindowSize ?? 0, session.state.remoteWindowSize ?? 0);
  if (block.length > LONGEST || octets > window) return false;
  // The first frame of all has to be one of these (RFC 9113, section 3.4).
  const frames = [frame(SETTINGS, 0, 0, NOTHING)];
  frames.push(frame(HEADERS, octets > 0 ? END_HEADERS : END_HEADERS | END_STREAM, id, block));
  for (let at = 0; at < octets; at += LONGEST) {
    const part = (content as Uint8Array).subarray(at, at + LONGEST);
    frames.push(frame(DATA, at + LONGEST < octets ? 0 : END_STREAM, id, part));
  }
  socket.write(Buffer.concat(frames));
  return true;
}

const NOTHING = new Uint8Array();

function frame(type: number, flags: number, id: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.byteLength, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

/** A header section as text, without an index, so that it holds whatever has been indexed before (RFC 7541, section 6.2.2). */
function blockOf(fields: Readonly<Record<string, unknown>>): Buffer {
  const lines = Object.entries(fields).flatMap(([name, value]) => [value].flat().map((item) => [name, String(item)]));
  // Pseudo-header fields come first.
  lines.sort(([a = ""], [b = ""]) => Number(b.startsWith(":")) - Number(a.startsWith(":")));
  return Buffer.concat(lines.flatMap(([name = "", value = ""]) => [Buffer.of(0), ...text(name), ...text(value)]));
}

/** A text behind its length, in seven bits and as many octets as that takes (RFC 7541, section 5). */
function text(string: string): Buffer[] {
  const octets = Buffer.from(string, "latin1");
  if (octets.length < 127) return [Buffer.of(octets.length), octets];
  const length = [127];
  let rest = octets.length - 127;
  for (; rest > 127; rest >>= 7) length.push((rest & 127) | 128);
  return [Buffer.from([...length, rest]), octets];
}
