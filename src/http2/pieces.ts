/** Content on its way from the Writable to the session. */
export interface Piece {
  readonly chunk: string | Uint8Array;
  readonly encoding: BufferEncoding | "buffer";
}

/** Octets of a chunk; `null` where Node refuses it. */
export function octetsOf(chunk: unknown, encoding: unknown): number | null {
  if (typeof chunk !== "string") return ArrayBuffer.isView(chunk) ? chunk.byteLength : null;
  if (typeof encoding !== "string" || encoding === "buffer") return Buffer.byteLength(chunk);
  return Buffer.isEncoding(encoding) ? Buffer.byteLength(chunk, encoding) : null;
}

/** With octets of its own. */
export function copyOf({ chunk, encoding }: Piece): Piece {
  return { chunk: typeof chunk === "string" ? chunk : Buffer.from(chunk), encoding };
}
