import type { ServerHttp2Stream } from "node:http2";

/** Methods of a stream that the guard stands in front of. */
const METHODS = [
  "respond",
  "sendTrailers",
  "respondWithFD",
  "respondWithFile",
  "additionalHeaders",
  "write",
  "end",
  "destroy",
  "close",
] as const;

type Method = (...args: unknown[]) => unknown;

/** The methods of a stream as they are below the guard. */
export type NativeStream = Readonly<Record<(typeof METHODS)[number], Method>>;

/** Puts methods in front of those of a stream: each under its name with an underscore. @returns the stream's own */
export function standInFront(
  stream: ServerHttp2Stream,
  standIns: Readonly<Record<`_${(typeof METHODS)[number]}`, unknown>>,
): NativeStream {
  const native = {} as Record<(typeof METHODS)[number], Method>;
  for (const name of METHODS) {
    native[name] = ((stream as unknown as Record<string, unknown>)[name] as Method).bind(stream);
    const value = (standIns[`_${name}`] as Method).bind(standIns);
    Object.defineProperty(stream, name, { value, configurable: true, writable: true, enumerable: false });
  }
  return native;
}

/** The header section counts as sent as soon as the app has decided it, as it would without the guard. */
export function showHeadersSent(stream: ServerHttp2Stream, isDecided: () => boolean): void {
  const sent =
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Object.getPrototypeOf(stream)), "headersSent") ??
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(stream), "headersSent");
  Object.defineProperty(stream, "headersSent", {
    configurable: true,
    get: () => isDecided() || (sent?.get?.call(stream) as boolean),
  });
}

/**
 * Whether a stream has ended on its own account: the client is gone, and nothing can be answered any more.
 * To be called by the stand-in itself, whose caller is looked up on the stack.
 */
export function isGone(stream: ServerHttp2Stream, error: unknown): boolean {
  if (stream.destroyed || stream.closed || stream.aborted || stream.session === undefined || stream.session.destroyed)
    return true;
  return (
    error !== null && typeof error === "object" && /internal\/http2\/core/.test(new Error().stack?.split("\n")[3] ?? "")
  );
}
