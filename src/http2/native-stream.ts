import type { ServerHttp2Stream } from "node:http2";

type Method = (this: ServerHttp2Stream, ...args: never[]) => unknown;

/** Methods of a stream that the guard overrides. */
export const STREAM_METHODS = [
  "emit",
  "respond",
  "respondWithFD",
  "respondWithFile",
  "additionalHeaders",
  "pushStream",
  "sendTrailers",
  "push",
  "write",
  "end",
  "destroy",
  "close",
  "_write",
  "_writev",
  "_final",
] as const;

export type StreamMethod = (typeof STREAM_METHODS)[number];

/** They as they are below the guard. */
export type NativeStream = Readonly<Record<StreamMethod, Method>>;
