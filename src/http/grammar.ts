/**
 * The grammar of which messages are made (RFC 9110, sections 5.5 and 5.6; RFC 9112). Each set of characters stands here
 * once, and patterns are made of them. All take time linear in the length of the text.
 */

/** `tchar`. RFC 9110, section 5.6.2. */
const TCHAR = "!#$%&'*+\\-.^_`|~0-9A-Za-z";
/** HTAB, SP, visible and obs-text octets, of which field values and reason phrases are made. RFC 9110, section 5.5. */
const TEXT = "\\t\\x20-\\x7e\\x80-\\xff";

/** Source of a pattern for one token. */
export const TOKEN_SOURCE = `[${TCHAR}]+`;
/** Source of a pattern for one quoted string. RFC 9110, section 5.6.4. */
export const QUOTED_STRING_SOURCE = `"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[${TEXT}])*"`;

export const TOKEN = new RegExp(`^${TOKEN_SOURCE}$`);
export const QUOTED_STRING = new RegExp(`^${QUOTED_STRING_SOURCE}$`);
/** A field name as HTTP/2 has it: a token in lower case. RFC 9113, section 8.2.1. */
export const LOWER_CASE_TOKEN = new RegExp(`^[${TCHAR.replace("A-Z", "")}]+$`);

/** A field value, empty ones included; of a reason phrase the same is asked (RFC 9112, section 4). */
export const FIELD_VALUE = new RegExp(`^[${TEXT}]*$`);
/** The first character that no field value, and no reason phrase, may hold. */
export const NOT_IN_VALUE = new RegExp(`[^${TEXT}]`);
const RUN_NOT_IN_VALUE = new RegExp(`[^${TEXT}]+`, "g");

/** A field line as a sender writes it, without its end; name and value. RFC 9112, section 5. */
export const FIELD_LINE = new RegExp(`^(${TOKEN_SOURCE}): ?([${TEXT}]*)$`);
/** A status line with its end. RFC 9112, section 4. */
export const STATUS_LINE = new RegExp(`^HTTP/1\\.[01] [0-9]{3} [${TEXT}]*\\r\\n$`);
/** A request line without its end; method, target and version. RFC 9112, section 3. */
export const REQUEST_LINE = new RegExp(`^(${TOKEN_SOURCE}) ([^ ]+) HTTP/(1\\.[01])$`);

/** `1*DIGIT`: delta-seconds, positions and lengths. */
export const DIGITS = /^[0-9]+$/;

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

export function isDigits(text: string): boolean {
  return DIGITS.test(text);
}

/** A text with every run of what no field value may hold turned into a space. */
export function cleanValue(text: string): string {
  return NOT_IN_VALUE.test(text) ? trimWhitespace(text.replace(RUN_NOT_IN_VALUE, " ")) : text;
}

/** Removes optional whitespace at both ends. Not `trim()`, which would take the octet A0 of a value along. */
export function trimWhitespace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isWhitespace(text.charCodeAt(start))) start++;
  while (end > start && isWhitespace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** SP and HTAB. RFC 9110, section 5.6.3. */
export function isWhitespace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
