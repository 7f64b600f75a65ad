import type { ServerResponse } from "node:http";
import { isLostWithContent } from "../../src/internals.js";

/** Removes what described the content that an error has taken the place of; Express itself removes three such fields. */
export function dropLostFields(response: ServerResponse): void {
  for (const name of response.getHeaderNames()) {
    // Cookies stay: the error page is the app's own answer, and a session may depend on them.
    if (name !== "set-cookie" && isLostWithContent(name, response.getHeader(name))) response.removeHeader(name);
  }
}
