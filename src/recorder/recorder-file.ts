import type { ProcessIdentity } from "./process-identity.js";
import { checksum, SLOT_OCTETS } from "./slots.js";

/** More requests than a process has sockets for. */
export const MAX_SLOTS = 65_536;

/** First octets of a file. */
export const MAGIC = "RAYGUARD";
const VERSION = 3;

// Header: magic 8, version 4, octets of a slot 4, number of slots 4, checksum 4, length of the JSON 2, JSON; the last
// octet is 1 once a request has found no slot, and is outside the checksum.
const HEADER = {
  version: 8,
  slotOctets: 12,
  slots: 16,
  checksum: 20,
  length: 24,
  owner: 26,
  full: 255,
} as const;

/** Where the file says that a request has found no slot, and what is written there: four octets, as with any mark. */
export const FULL = { at: HEADER.full - 3, octets: Uint8Array.of(0, 0, 0, 1) } as const;
const MAX_JSON = FULL.at - HEADER.owner;

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
  file.writeUInt16LE(Math.min(json.length, MAX_JSON), HEADER.length);
  file.write(json, HEADER.owner, MAX_JSON, "latin1");
  file.writeInt32LE(checksum(file, HEADER.length, HEADER.full), HEADER.checksum);
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
  if (file.readInt32LE(HEADER.checksum) !== checksum(file, HEADER.length, HEADER.full)) return "its header is damaged";
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

/** Whether some request of this file has found no slot. */
export function wasFull(file: Buffer): boolean {
  return file[HEADER.full] !== 0;
}
