import { readHeaders, writtenText } from "../validity/draft.js";
import type { NodeResponse } from "./node-internals.js";

/** Overrides `addTrailers`, which looks at the text of each value and then reads it again. */
export function addTrailers(
  response: NodeResponse,
  below: (this: NodeResponse, trailers: unknown) => void,
  trailers: unknown,
): void {
  if (typeof trailers !== "object" || trailers === null) return below.call(response, trailers);
  const isPairs = !Array.isArray(trailers) || trailers.every((entry) => Array.isArray(entry));
  if (!isPairs) return below.call(response, trailers);
  const flat = readHeaders(trailers as Record<string, unknown>) as unknown[];
  const pairs: [name: unknown, value: unknown][] = [];
  for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i], writtenText(flat[i + 1])]);
  below.call(response, pairs);
}
