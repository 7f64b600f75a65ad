/** How a recipient finds the end of the content of a response (RFC 9112, section 6.3; RFC 9113, section 8.1). */
export interface Framing {
  /**
   * - `none`: there is no content
   * - `length`: it ends with its last octet
   * - `chunked`: it ends with a mark of its own, the last chunk or the end of the stream
   * - `close`: it ends with the connection
   */
  readonly kind: "none" | "length" | "chunked" | "close";
  /** Content-Length in octets; -1 with any other kind. */
  readonly length: number;
  /** Octets of content there can be at most. */
  readonly most: number;
}

const most = Number.POSITIVE_INFINITY;
export const NONE: Framing = { kind: "none", length: -1, most };
export const CHUNKED: Framing = { kind: "chunked", length: -1, most };
export const CLOSE: Framing = { kind: "close", length: -1, most };

/** @param length - Content-Length in octets */
export function ofLength(length: number): Framing {
  return { kind: "length", length, most: length };
}

/** Whether a recipient that has got so many octets of content has got all of it, and knows. */
export function isWhole({ kind, length }: Framing, octets: number): boolean {
  return kind === "none" || (kind === "length" && octets === length);
}
