import { parseRay } from "../cloudflare/ray.js";
import { loggableUrl } from "../report/log.js";

/** A request as the recorder keeps it. */
export interface Recorded {
  /** 16 hexadecimal digits, or null. */
  readonly ray: string | null;
  readonly colo: string | null;
  readonly method: string;
  /** Masked like every URL in the log; longer ones are cut and end in `...`. */
  readonly url: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Status code of the response that is under way, or 0 while nothing is committed. */
  readonly status: number;
}

/** What has become of the request in a slot, as far as its connection goes. */
export const STATE = {
  free: 0,
  /** Nothing of the final response is out. */
  waiting: 1,
  /** Octets of it are out, or about to be. */
  answering: 2,
  /** All of it is out, and its connection is not to be used again. */
  answered: 3,
  /** The connection speaks another protocol, or TLS: nobody but its process can write on it. */
  opaque: 4,
} as const;

export type SlotState = (typeof STATE)[keyof typeof STATE];

/** A slot that is taken, with what whoever holds its connection must know. */
export interface Slot {
  readonly state: SlotState;
  /** Number that the keeper has given the connection; 0 for one it does not hold. */
  readonly connection: number;
  /** Grows from one request of the process to the next. */
  readonly sequence: number;
  /** The response has an end that a recipient knows: cut off in front of it, it cannot pass for a complete one. */
  readonly isDelimited: boolean;
  /** Kind of error content that the request asks for: an index into `CONTENT_TYPES`. */
  readonly kind: number;
  /** `"torn"` where only the rest is known. */
  readonly request: Recorded | "torn";
}

/**
 * Octets of the header, and of each slot. A whole fraction of a memory page: a kill can come between two pages of a
 * write, but not within one.
 */
export const SLOT_OCTETS = 256;

// Slot: mark 4 (state 1, detail 1, status 2), checksum 4, start 8, connection 4, sequence 4, ray 16, colo 3, length
// of the method 1, of the URL 2, method 16, URL. The mark changes on its own and is outside the checksum, which is 0
// where nothing behind the sequence counts.
const SLOT = {
  detail: 1,
  checksum: 4,
  start: 8,
  connection: 16,
  sequence: 20,
  ray: 24,
  colo: 40,
  methodLength: 43,
  urlLength: 44,
  method: 46,
  url: 62,
} as const;
const RAY_OCTETS = SLOT.colo - SLOT.ray;
const COLO_OCTETS = SLOT.methodLength - SLOT.colo;
const HYPHEN = 0x2d;
const DELIMITED = 0x80;
const KIND = 0x03;
const MAX_METHOD = SLOT.url - SLOT.method;
const MAX_URL = SLOT_OCTETS - SLOT.url;

/** The mark of a slot that nobody is in. */
export const FREE_MARK: Uint8Array = new Uint8Array(4);

let sequence = 0;

/**
 * Writes a request into `slot`, which has `SLOT_OCTETS`.
 * @param request - its `ray` may be the value of a field, which has the data centre, too, and is looked at by who reads it
 * @param connection - number that the keeper has given it, or 0
 * @param kind - of error content, an index into `CONTENT_TYPES`
 * @returns the number of octets used; those after them are never looked at
 */
export function encodeSlot(slot: Buffer, request: Recorded, connection = 0, kind = 0): number {
  const { ray, colo, method, url, startedAt, status } = request;
  const methodLength = Math.min(method.length, MAX_METHOD);
  const isLong = url.length > MAX_URL;
  const kept = isLong ? `${url.slice(0, MAX_URL - 3)}...` : url;
  const end = SLOT.url + kept.length;
  encodeArrival(slot, connection, kind);
  if (status !== 0) putMark(slot, STATE.answering, kind, status);
  slot.writeDoubleLE(startedAt, SLOT.start);
  putRay(slot, ray ?? "", colo ?? "");
  slot[SLOT.methodLength] = methodLength;
  slot[SLOT.urlLength] = kept.length;
  slot[SLOT.urlLength + 1] = kept.length >> 8;
  put(slot, method, SLOT.method, methodLength);
  put(slot, kept, SLOT.url, kept.length);
  put32(slot, checksum(slot, SLOT.start, end), SLOT.checksum);
  return end;
}

/**
 * Writes into `slot` that a request has begun to arrive, and no more: it is written again when that is all there.
 * @returns the number of octets used
 */
export function encodeArrival(slot: Buffer, connection: number, kind: number): number {
  putMark(slot, STATE.waiting, kind, 0);
  put32(slot, 0, SLOT.checksum);
  put32(slot, connection, SLOT.connection);
  put32(slot, sequence, SLOT.sequence);
  sequence = (sequence + 1) >>> 0;
  return SLOT.ray;
}

/** A whole field has the data centre behind a hyphen. */
function putRay(slot: Buffer, ray: string, colo: string): void {
  const isWhole = ray.length === RAY_OCTETS + 1 + COLO_OCTETS && ray.charCodeAt(RAY_OCTETS) === HYPHEN;
  put(slot, isWhole || ray.length === RAY_OCTETS ? ray : "", SLOT.ray, RAY_OCTETS);
  if (isWhole) put(slot, ray, SLOT.colo, COLO_OCTETS, RAY_OCTETS + 1);
  else put(slot, colo, SLOT.colo, COLO_OCTETS);
}

/** For so few characters, `Buffer.write()` takes longer to be called. What is missing is zeros. */
function put(slot: Buffer, text: string, at: number, length: number, from = 0): void {
  for (let i = 0; i < length; i++) slot[at + i] = from + i < text.length ? text.charCodeAt(from + i) : 0;
}

/** As `Buffer.writeUInt32LE()`, which looks at what it is given first. */
function put32(slot: Buffer, number: number, at: number): void {
  slot[at] = number;
  slot[at + 1] = number >>> 8;
  slot[at + 2] = number >>> 16;
  slot[at + 3] = number >>> 24;
}

const mark = new Uint8Array(4);

/**
 * A mark that takes the place of the one that a slot was written with.
 * @returns octets that hold until the next call: two of them are made for every response
 */
export function encodeMark(state: SlotState, status: number, isDelimited = false, kind = 0): Uint8Array {
  putMark(mark, state, (isDelimited ? DELIMITED : 0) | kind, status);
  return mark;
}

function putMark(octets: Uint8Array, state: SlotState, detail: number, status: number): void {
  octets[0] = state;
  octets[SLOT.detail] = detail;
  octets[2] = status;
  octets[3] = status >> 8;
}

/** The requests of a file with a sound header: `"torn"` for one of which only that much is known. */
export function decodeSlots(file: Buffer, slots: number): (Recorded | "torn")[] {
  return takenSlots(file, slots)
    .filter(({ state, request }) => request === "torn" || state === STATE.waiting || state === STATE.answering)
    .map(({ request }) => request);
}

/** Every slot of a file with a sound header that is taken. */
export function takenSlots(file: Buffer, slots: number): Slot[] {
  const taken: Slot[] = [];
  for (let i = 1; i <= slots; i++) {
    const slot = file.subarray(i * SLOT_OCTETS, (i + 1) * SLOT_OCTETS);
    const state = slot[0] as SlotState;
    if (state === STATE.free) continue;
    const detail = slot[SLOT.detail] as number;
    taken.push({
      state,
      connection: slot.readUInt32LE(SLOT.connection),
      sequence: slot.readUInt32LE(SLOT.sequence),
      isDelimited: (detail & DELIMITED) !== 0,
      kind: detail & KIND,
      request: state <= STATE.opaque ? decodeSlot(slot) : "torn",
    });
  }
  return taken;
}

/** A checksum keeps off accidents, not people: whatever goes to the log is checked as if a client had sent it. */
function decodeSlot(slot: Buffer): Recorded | "torn" {
  const methodLength = slot[SLOT.methodLength] as number;
  const end = SLOT.url + slot.readUInt16LE(SLOT.urlLength);
  const sum = slot.readInt32LE(SLOT.checksum);
  if (sum === 0) return { ray: null, colo: null, method: "", url: "", startedAt: 0, status: slot.readUInt16LE(2) };
  if (sum !== checksum(slot, SLOT.start, end)) return "torn";
  const colo = slot.toString("latin1", SLOT.colo, SLOT.methodLength).toUpperCase();
  const ray = parseRay(slot.toString("latin1", SLOT.ray, SLOT.colo));
  const method = slot.toString("latin1", SLOT.method, SLOT.method + methodLength);
  return {
    ray: ray === null ? null : ray.id,
    colo: ray !== null && /^[A-Z]{3}$/.test(colo) ? colo : null,
    method: /^[A-Za-z-]*$/.test(method) ? method : "",
    url: loggableUrl(slot.toString("latin1", SLOT.url, end)),
    startedAt: slot.readDoubleLE(SLOT.start),
    status: slot.readUInt16LE(2),
  };
}

/** Four octets at a time, since it is made for every request. @returns a number that is not 0 */
export function checksum(octets: Uint8Array, start: number, end: number): number {
  let sum = end - start;
  for (let i = start; i < end; i += 4) {
    const high = i + 3 < end ? (octets[i + 3] as number) << 24 : 0;
    const third = i + 2 < end ? (octets[i + 2] as number) << 16 : 0;
    const second = i + 1 < end ? (octets[i + 1] as number) << 8 : 0;
    sum = Math.imul(sum ^ high ^ third ^ second ^ (octets[i] as number), 0x01000193);
    sum ^= sum >>> 15;
  }
  return sum === 0 ? 1 : sum;
}
