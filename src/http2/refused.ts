import type { ServerHttp2Stream } from "node:http2";
import { isPlainName } from "./names.js";
import type { NativeStream } from "./native-stream.js";
import { type Fields, isFieldsObject } from "./section.js";

/** Whether there is anything about a header section for which `respond()` could throw. */
export function mayBeRefused(headers: unknown, options: unknown): boolean {
  if (options !== undefined && !isFieldsObject(options)) return true;
  if (headers === undefined) return false;
  if (!isFieldsObject(headers)) return true;
  for (const name in headers) {
    const value = (headers as Fields)[name];
    if (name === ":status") {
      const status = Number(value) | 0;
      if (status !== 0 && (status < 200 || status > 599)) return true;
    } else if (!isPlainName(name)) return true;
    else if (Array.isArray(value) ? name !== "set-cookie" && value.length > 1 : typeof value === "object") return true;
  }
  // `http2.sensitiveHeaders` is all there can be.
  return Object.getOwnPropertySymbols(headers).some((symbol) => !Array.isArray(Reflect.get(headers, symbol)));
}

/**
 * Has Node look at a header section that the guard holds back, on a shadow of the stream from which nothing is sent: what
 * `respond()` throws is the caller's to catch. Where Node keeps its state elsewhere, the error comes with the commit.
 * @throws whatever `respond()` throws
 */
export function refuseAsNode(
  stream: ServerHttp2Stream,
  native: NativeStream,
  how: "respond" | "additionalHeaders",
  headers: unknown,
  options: unknown,
): void {
  const symbols = Object.getOwnPropertySymbols(stream);
  const state = symbols.find(({ description }) => description === "state");
  const handle = symbols.find(({ description }) => description === "kHandle");
  if (state === undefined || handle === undefined) return;
  const inside = stream as unknown as Record<symbol, object>;
  const interim = symbols.find(({ description }) => description === "sent-info-headers");
  const shadow = Object.create(stream, {
    [state]: { value: { ...inside[state] } },
    // A negative number: it could not be sent, so nobody is told that it was.
    [handle]: { value: { respond: () => -1, info: () => -1 } },
    ...(interim && { [interim]: { value: [] } }),
    headersSent: { value: false },
    // It may be gone, behind an answer of which the app does not know.
    destroyed: { value: false },
    closed: { value: false },
    session: { value: stream.session ?? {} },
    end: { value() {} },
    destroy: { value() {} },
  }) as ServerHttp2Stream;
  native[how].call(shadow, ...([headers, options] as never[]));
}
