import { CHUNKED, CLOSE, type Framing, NONE } from "../../exchange/framing.js";
import type { NodeResponse } from "../node/node-internals.js";

/** Node has framed what it has rendered. */
export function framingOf({
  _hasBody,
  _contentLength: length,
  _removedContLen,
  chunkedEncoding,
}: NodeResponse): Framing {
  if (!_hasBody) return NONE;
  if (chunkedEncoding) return CHUNKED;
  return length !== null && Number.isInteger(length) && !_removedContLen
    ? { kind: "length", length, most: length }
    : CLOSE;
}
