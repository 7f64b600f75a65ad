import type { ServerResponse } from "node:http";
import { isLostWithContent, isRefusedOfError } from "../../src/internals.js";

/** Removes what described the content that an error has taken the place of; Express itself removes three such fields. */
export function dropLostFields(response: ServerResponse, status: number): void {
  for (const name of response.getHeaderNames()) {
    // Cookies stay: the error page is the app's own answer, and a session may depend on them.
    const isLost = name !== "set-cookie" && isLostWithContent(name, response.getHeader(name), status);
    if (isLost) response.removeHeader(name);
  }
}

/**
 * Which of the fields that the final handler will set are not to go out: it takes those of the error, name and value as
 * they are. An app that answers meanwhile sets its own.
 */
export function fieldsRefusedOf(error: unknown, status: number): (name: unknown, value: unknown) => boolean {
  const refused = new Map<string, unknown>();
  for (const [name, value] of Object.entries(Object((error as { headers?: unknown } | null)?.headers ?? {}))) {
    // Content-Length it sets itself.
    if (name.toLowerCase() !== "content-length" && isRefusedOfError(name, value, status)) refused.set(name, value);
  }
  return (name, value) => refused.has(name as string) && refused.get(name as string) === value;
}
