import { CHUNKED } from "../../exchange/framing.js";
import { type Failure, ruleBroken } from "../../report/incidents.js";
import { RawContent } from "../message/raw-content.js";
import { hasGathered, type NodeResponse } from "../node/node-internals.js";

/** An exchange whose app may turn chunks off behind a header section that announces them, and write them itself. */
interface Chunking {
  readonly response: NodeResponse;
  /** From then on: where they end, and whether they can be read. */
  chunks: RawContent | null;
}

const ANNOUNCED = /\r\ntransfer-encoding:[^\r]*chunked/i;

const WRITTEN = "The app turned chunks off behind a header section that announces them";

/** @returns what is wrong with octets that such an app is about to send; null for nothing */
export function brokenChunks(
  exchange: Chunking,
  data: string | Uint8Array,
  encoding: BufferEncoding | null | undefined,
): Failure | null {
  const { chunkedEncoding, _header: header } = exchange.response;
  if (exchange.chunks === null && (chunkedEncoding || !ANNOUNCED.test(header ?? ""))) return null;
  exchange.chunks ??= new RawContent(CHUNKED);
  const { chunks } = exchange;
  const octets = typeof data === "string" ? Buffer.from(data, encoding ?? "utf8") : Buffer.from(data);
  if (chunks.take(octets) === octets.length && chunks.state !== "broken") return null;
  return ruleBroken("FR-18", `${WRITTEN}, and wrote content that is no chunks.`);
}

/** @returns what is wrong with the end of what it has sent; null for nothing */
export function unendedChunks({ chunks }: Chunking): Failure | null {
  if (chunks === null || chunks.state !== "open") return null;
  return ruleBroken("MC-6", `${WRITTEN}, and ended its content before the last one.`);
}

/** Node would end the process over chunks that it has gathered, where the app turns chunks off before they are sent. */
export function keepGathered(response: NodeResponse): void {
  if (!hasGathered(response) || Object.hasOwn(response, "uncork")) return;
  const { uncork } = response;
  Reflect.defineProperty(response, "uncork", {
    value: function keptUncork(this: NodeResponse) {
      const { chunkedEncoding } = this;
      this.chunkedEncoding = chunkedEncoding || hasGathered(this);
      uncork.call(this);
      this.chunkedEncoding = chunkedEncoding;
    },
    configurable: true,
    writable: true,
  });
}

/** Sends gathered chunks in front of what the app writes with chunks turned off. */
export function sendGathered(response: NodeResponse): void {
  if (response.chunkedEncoding || !hasGathered(response)) return;
  const corked = response.writableCorked;
  for (let n = corked; n > 0; n--) response.uncork();
  for (let n = corked; n > 0; n--) response.cork();
}
