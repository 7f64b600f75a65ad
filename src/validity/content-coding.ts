type Zlib = typeof import("node:zlib");

/** First octets of each coding (RFC 1952, section 2.3.1; RFC 8878, section 3.1.1; compress). Brotli has none. */
const MAGIC: ReadonlyMap<string, readonly number[]> = new Map([
  ["gzip", [0x1f, 0x8b]],
  ["x-gzip", [0x1f, 0x8b]],
  ["compress", [0x1f, 0x9d]],
  ["x-compress", [0x1f, 0x9d]],
]);

const ZSTD_FRAME = [0x28, 0xb5, 0x2f, 0xfd];
/** A frame that is to be skipped has 0x50 to 0x5f in front of these. */
const ZSTD_SKIPPABLE = [0x2a, 0x4d, 0x18];

/** As much as is looked at of content, in octets. */
export const LOOKED_AT = 1_024;

/**
 * Whether the first octets of content prove that a coding was not applied. False where that cannot be told: for codings
 * without a mark of their own, and for lists, of which any part may be what is wrong.
 * @see RFC 9110, section 8.4
 */
export function isProvenOtherwise(coding: string, octets: Uint8Array): boolean {
  if (octets.byteLength === 0) return false;
  const name = coding.trim().toLowerCase();
  const magic = MAGIC.get(name);
  if (magic !== undefined) return !beginsWith(octets, magic);
  if (name === "deflate") return !isZlib(octets) && !isRawDeflate(octets);
  if (name !== "zstd") return false;
  const isSkippable = ((octets[0] as number) & 0xf0) === 0x50 && beginsWith(octets.subarray(1), ZSTD_SKIPPABLE);
  return !isSkippable && !beginsWith(octets, ZSTD_FRAME);
}

/** Also where there are fewer octets than that, as far as they go. */
function beginsWith(octets: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((octet, i) => i >= octets.byteLength || octets[i] === octet);
}

/** RFC 1950, section 2.2: compression method 8, and a header that is a multiple of 31. */
function isZlib(octets: Uint8Array): boolean {
  const [cmf = 0, flg] = octets;
  if ((cmf & 0x0f) !== 8 || cmf >> 4 > 7) return false;
  return flg === undefined || (cmf * 256 + flg) % 31 === 0;
}

/** Deflate without a zlib header is wrong, yet sent and taken everywhere (RFC 9110, section 8.4.1.2). */
function isRawDeflate(octets: Uint8Array): boolean {
  const { inflateRawSync, constants } = process.getBuiltinModule("node:zlib") as Zlib;
  try {
    // Its beginning is enough: that the rest is missing is no error.
    inflateRawSync(octets.subarray(0, LOOKED_AT), { finishFlush: constants.Z_SYNC_FLUSH });
    return true;
  } catch {
    return false;
  }
}
