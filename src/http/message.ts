/** Messages as octets: header sections taken apart and put together. RFC 9112, sections 2.1 and 6. */

/** A field line: name as written, value as it is rendered. Both are strings of octets (latin1). */
export type FieldLine = readonly [name: string, value: string];

const END = "\r\n\r\n";
const STATUS_AT = "HTTP/1.1 ".length;
const REASON_AT = "HTTP/1.1 200 ".length;
/** As much of a status line as tells that it is one, and its status code. */
const STATUS_LINE_START = /^HTTP\/1\.[01] ([0-9]{3})[ \r]/;

/** Offset behind the empty line that ends a header section which begins at `from` or later; -1 while there is none. */
export function endOfSection(octets: Buffer, from = 0): number {
  const at = octets.indexOf(END, from);
  return at === -1 ? -1 : at + END.length;
}

/** Lines of a rendered section, without the empty one at its end; `undefined` where it does not end with one. */
export function linesIn(section: string): string[] | undefined {
  return section.endsWith(END) ? section.slice(0, -END.length).split("\r\n") : undefined;
}

/** A section made of its lines. */
export function sectionOf(lines: readonly string[]): string {
  return lines.join("\r\n") + END;
}

/** Field lines below the first line of a rendered header section. */
export function fieldLinesIn(section: string): FieldLine[] {
  const fields: FieldLine[] = [];
  for (const line of section.split("\r\n").slice(1)) {
    const field = splitFieldLine(line);
    if (field !== undefined) fields.push(field);
  }
  return fields;
}

/** Field lines, rendered. */
export function renderFields(fields: Iterable<FieldLine>): string {
  let lines = "";
  for (const [name, value] of fields) lines += `${name}: ${value}\r\n`;
  return lines;
}

/** Status code in a status line, or in a section that begins with one. */
export function statusIn(section: string): number {
  return Number(section.slice(STATUS_AT, STATUS_AT + 3));
}

/** Reason phrase in a status line with its end, whatever it holds. */
export function reasonIn(statusLine: string): string {
  return statusLine.slice(REASON_AT, -2);
}

/** Status code of what may be no response, or not all of one; `undefined` where it cannot be told. */
export function readStatus(octets: Buffer): number | undefined {
  const code = STATUS_LINE_START.exec(octets.toString("latin1", 0, REASON_AT))?.[1];
  return code === undefined ? undefined : Number(code);
}

/**
 * Whether content of a request is still to come (RFC 9112, section 6). That it is not complete does not tell: none is
 * while its listener runs.
 */
export function awaitsContent({ complete, headers }: Arriving): boolean {
  if (complete) return false;
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** A request, as far as it has arrived. */
interface Arriving {
  readonly complete: boolean;
  readonly headers: NodeJS.Dict<string | string[]>;
}

/** Name and value of a field line as a sender writes it: what stands around the value but one space is part of it. */
function splitFieldLine(line: string): FieldLine | undefined {
  const colon = line.indexOf(":");
  if (colon < 1) return undefined;
  return [line.slice(0, colon), line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1)];
}
