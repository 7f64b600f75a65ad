import { OctetStream, type ResponseEnd } from "./octet-stream.js";
import type { Problem } from "./problems.js";
import type { ParsedResponse } from "./response.js";
import { ResponseReader } from "./response-reader.js";

/**
 * Parses a whole stream as the answer to one request, by default a GET with HTTP/1.1 whose connection was closed
 * cleanly. Octets behind the response are a problem of it.
 * @returns `null` when there is no octet at all.
 * @see RFC 9112
 */
export function parseResponse(
  octets: Uint8Array,
  options: { method?: string; end?: ResponseEnd; requestVersion?: "1.0" | "1.1" } = {},
): ParsedResponse | null {
  const { method = "GET", end = "fin", requestVersion = "1.1" } = options;
  const { responses } = parseResponses(octets, { requests: [{ method, version: requestVersion }], end });
  return responses[0] ?? null;
}

/**
 * Parses a whole stream as the answers to `requests`, in their order. A response that closes the connection ends
 * them: requests after it are not missed.
 * @returns the responses, and every problem: theirs, surplus octets, a request without an answer.
 */
export function parseResponses(
  octets: Uint8Array,
  options: { requests: readonly { method: string; version?: "1.0" | "1.1" }[]; end?: ResponseEnd },
): { responses: ParsedResponse[]; problems: Problem[] } {
  const { requests, end = "fin" } = options;
  const reader = new ResponseReader(new OctetStream(octets));
  for (const request of requests) reader.expect({ ...request, version: request.version ?? "1.1" });
  const problems = reader.stop(end);
  return { responses: reader.responses, problems };
}
