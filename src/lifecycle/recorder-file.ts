import { parseRay } from "../cloudflare/ray.js";
import { loggableUrl } from "../log.js";
import type { ProcessIdentity } from "./process-identity.js";

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

/**
 * Octets of the header, and of each slot. A whole fraction of a memory page: a kill can come between two pages of a
 * write, but not within one.
 */
export const SLOT_OCTETS = 256;

/** More requests than a process has sockets for. */
export const MAX_SLOTS = 65_536;

/** First octets of a file. */
export const MAGIC = "RAYGUARD";
const VERSION = 1;

// Header: magic 8, version 4, octets of a slot 4, number of slots 4, checksum 4, length of the JSON 2, JSON.
const HEADER = { version: 8, slotOctets: 12, slots: 16, checksum: 20, length: 24, owner: 26 } as const;

// Slot: mark 4 (state 1, unused 1, status 2), checksum 4, start 8, ray 16, colo 3, length of the method 1, of the URL 2,
// method 16, URL. The mark changes on its own and is outside the checksum.
const SLOT = {
  checksum: 4,
  start: 8,
  ray: 16,
  colo: 32,
  methodLength: 35,
  urlLength: 36,
  method: 38,
  url: 54,
} as const;
const MAX_METHOD = SLOT.url - SLOT.method;
const MAX_URL = SLOT_OCTETS - SLOT.url;

const FREE = 0;
const TAKEN = 1;
const NO_RAY = Buffer.alloc(SLOT.methodLength - SLOT.ray);

/** The mark of a slot that nobody is in. */
export const FREE_MARK: Uint8Array = new Uint8Array(4);

/** Size of a file with so many slots, in octets. */
export function fileOctets(slots: number): number {
  return SLOT_OCTETS * (slots + 1);
}

/** A whole file without a request in it. */
export function encodeEmpty(owner: ProcessIdentity, slots: number): Buffer {
  const file = Buffer.alloc(fileOctets(slots));
  const json = JSON.stringify(owner);
  file.write(MAGIC, 0, "latin1");
  file.writeUInt32LE(VERSION, HEADER.version);
  file.writeUInt32LE(SLOT_OCTETS, HEADER.slotOctets);
  file.writeUInt32LE(slots, HEADER.slots);
  file.writeUInt16LE(Math.min(json.length, SLOT_OCTETS - HEADER.owner), HEADER.length);
  file.write(json, HEADER.owner, SLOT_OCTETS - HEADER.owner, "latin1");
  file.writeUInt32LE(crc32(file, HEADER.length, SLOT_OCTETS), HEADER.checksum);
  return file;
}

/**
 * Reads a header.
 * @returns what is wrong with it, in words, where it is no header of this version
 */
export function decodeHeader(file: Buffer): { owner: ProcessIdentity; slots: number } | string {
  if (file.length < SLOT_OCTETS || file.toString("latin1", 0, MAGIC.length) !== MAGIC)
    return "it is no file of a recorder";
  const version = file.readUInt32LE(HEADER.version);
  if (version !== VERSION) return `it has format ${version}, and this version of rayguard reads ${VERSION}`;
  if (file.readUInt32LE(HEADER.checksum) !== crc32(file, HEADER.length, SLOT_OCTETS)) return "its header is damaged";
  const slots = file.readUInt32LE(HEADER.slots);
  const length = file.readUInt16LE(HEADER.length);
  if (file.readUInt32LE(HEADER.slotOctets) !== SLOT_OCTETS || slots < 1 || slots > MAX_SLOTS)
    return "its header is damaged";
  try {
    const owner = JSON.parse(file.toString("latin1", HEADER.owner, HEADER.owner + length)) as ProcessIdentity;
    if (Number.isSafeInteger(owner.pid) && owner.pid > 0) return { owner, slots };
  } catch {
    // no JSON after all
  }
  return "its header is damaged";
}

/**
 * Writes a request into `slot`, which has `SLOT_OCTETS`.
 * @returns the number of octets used; those after them are never looked at
 */
export function encodeSlot(slot: Buffer, { ray, colo, method, url, startedAt, status }: Recorded): number {
  const methodLength = Math.min(method.length, MAX_METHOD);
  const isLong = url.length > MAX_URL;
  const kept = isLong ? `${url.slice(0, MAX_URL - 3)}...` : url;
  const end = SLOT.url + kept.length;
  slot[0] = TAKEN;
  slot[1] = 0;
  slot.writeUInt16LE(status, 2);
  slot.writeDoubleLE(startedAt, SLOT.start);
  slot.set(NO_RAY, SLOT.ray);
  if (ray !== null) slot.write(ray, SLOT.ray, 16, "latin1");
  if (colo !== null) slot.write(colo, SLOT.colo, 3, "latin1");
  slot[SLOT.methodLength] = methodLength;
  slot.writeUInt16LE(kept.length, SLOT.urlLength);
  slot.write(method, SLOT.method, methodLength, "latin1");
  slot.write(kept, SLOT.url, kept.length, "latin1");
  slot.writeUInt32LE(crc32(slot, SLOT.start, end), SLOT.checksum);
  return end;
}

/** The mark of a slot whose response is under way. */
export function encodeMark(status: number): Uint8Array {
  return Uint8Array.of(TAKEN, 0, status & 0xff, status >> 8);
}

/** The requests of a file with a sound header: `"torn"` for one of which only that much is known. */
export function decodeSlots(file: Buffer, slots: number): (Recorded | "torn")[] {
  const found: (Recorded | "torn")[] = [];
  for (let i = 1; i <= slots; i++) {
    const slot = file.subarray(i * SLOT_OCTETS, (i + 1) * SLOT_OCTETS);
    if (slot[0] !== FREE) found.push(slot[0] === TAKEN ? decodeSlot(slot) : "torn");
  }
  return found;
}

/** A checksum keeps off accidents, not people: whatever goes to the log is checked as if a client had sent it. */
function decodeSlot(slot: Buffer): Recorded | "torn" {
  const methodLength = slot[SLOT.methodLength] as number;
  const end = SLOT.url + slot.readUInt16LE(SLOT.urlLength);
  if (slot.readUInt32LE(SLOT.checksum) !== crc32(slot, SLOT.start, end)) return "torn";
  const colo = slot.toString("latin1", SLOT.colo, SLOT.methodLength);
  const ray = parseRay(slot.toString("latin1", SLOT.ray, SLOT.colo));
  const method = slot.toString("latin1", SLOT.method, SLOT.method + methodLength);
  return {
    ray: ray === null ? null : ray.id,
    colo: /^[A-Z]{3}$/.test(colo) ? colo : null,
    method: /^[A-Za-z-]*$/.test(method) ? method : "",
    url: loggableUrl(slot.toString("latin1", SLOT.url, end)),
    startedAt: slot.readDoubleLE(SLOT.start),
    status: slot.readUInt16LE(2),
  };
}

const CRC = Int32Array.from({ length: 256 }, (_, octet) => {
  let crc = octet;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/** CRC-32 of ISO 3309. `zlib.crc32()` came with Node 22.2. */
export function crc32(octets: Uint8Array, start: number, end: number): number {
  let crc = -1;
  for (let i = start; i < end; i++) crc = (CRC[(crc ^ (octets[i] as number)) & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}
