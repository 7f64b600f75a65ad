import { type Failure, ruleBroken } from "../../report/incidents.js";
import { isProvenOtherwise, LOOKED_AT } from "../../validity/content-coding.js";
import type { NodeResponse } from "../node/node-internals.js";

/** Content of which the header section says that it is coded, and of which nothing has been seen. */
export interface CodedContent {
  readonly coding: string;
  /** Octets of framing that stand before the first chunk: its size, and CRLF. */
  frames: number;
}

/** An exchange with such content. */
interface Coded {
  coded: CodedContent | null;
  readonly response: NodeResponse;
  repaired(failure: Failure): boolean;
}

/** What the first octets show of the content coding; null where they are as announced, or cannot tell. */
export function checkCoding(coding: string, chunk: string | Uint8Array, encoding: unknown): Failure | null {
  const octets =
    typeof chunk === "string"
      ? Buffer.from(chunk.slice(0, LOOKED_AT), typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8")
      : chunk;
  if (!isProvenOtherwise(coding, octets)) return null;
  return ruleBroken("MD-9", "The content is not coded as Content-Encoding says; the field was left out.");
}

/** Looks at the first octets of content that is said to be coded. */
export function lookAtContent(exchange: Coded, data: string | Uint8Array, encoding: unknown): void {
  const { coded, response } = exchange;
  if (coded === null) return;
  if (response.chunkedEncoding && coded.frames < 2) {
    coded.frames++;
    return;
  }
  exchange.coded = null;
  const failure = checkCoding(coded.coding, data, encoding);
  if (failure === null) return;
  if (exchange.repaired(failure))
    response._header = (response._header as string).replace(/\r\ncontent-encoding:[^\r]*/gi, "");
}
