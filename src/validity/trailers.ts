import { isForbiddenTrailer } from "../http/fields.js";
import { FIELD_LINE } from "../http/grammar.js";

/** Splits rendered trailer lines into those that may go out and the names of those that may not (RFC 9110, section 6.5.1). */
export function sortTrailers(rendered: string): { kept: string; dropped: string[] } {
  let kept = "";
  const dropped: string[] = [];
  for (const line of rendered.split("\r\n")) {
    if (line === "") continue;
    const name = FIELD_LINE.exec(line)?.[1];
    if (name === undefined || isForbiddenTrailer(name)) dropped.push(name?.toLowerCase() ?? "a malformed line");
    else kept += `${line}\r\n`;
  }
  return { kept, dropped };
}
