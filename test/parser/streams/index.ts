import { CHUNKS, ENDS, TRAILERS } from "./chunks.js";
import { FIELDS, REQUIRED_FIELDS } from "./fields.js";
import { CODINGS, LENGTHS, TO_THE_CLOSE, WITHOUT_CONTENT } from "./framing.js";
import { INTERIM, STATUS_LINES } from "./status-lines.js";
import type { StreamCase } from "./stream-case.js";

/** Every hand-made stream, by subject. */
export const STREAMS: Readonly<Record<string, readonly StreamCase[]>> = {
  "status line": STATUS_LINES,
  "interim responses": INTERIM,
  "field lines": FIELDS,
  "fields required, repeated or read": REQUIRED_FIELDS,
  "Content-Length": LENGTHS,
  "Transfer-Encoding": CODINGS,
  "responses without content": WITHOUT_CONTENT,
  "content until the close": TO_THE_CLOSE,
  chunks: CHUNKS,
  trailers: TRAILERS,
  "ends and surplus": ENDS,
};

export type { StreamCase } from "./stream-case.js";
