/** Error codes of HTTP/2 (RFC 9113, section 7). */
export const NO_ERROR = 0;
/** What nobody takes for the end of a complete response, as NO_ERROR could be. */
export const INTERNAL_ERROR = 2;
export const REFUSED_STREAM = 7;
export const CANCEL = 8;
const ENHANCE_YOUR_CALM = 11;
const HTTP_1_1_REQUIRED = 13;

/**
 * Statuses that ask for what a code asks for: to come again later, or in another version. An intermediary may repeat a request
 * whose stream was refused, or fail it with an error of its own, and no code tells which.
 */
const STATUSES: Readonly<Record<number, number>> = {
  [REFUSED_STREAM]: 503,
  [ENHANCE_YOUR_CALM]: 503,
  [HTTP_1_1_REQUIRED]: 505,
};

/** Status of the answer to a request whose stream is closed with a code instead. */
export function statusInsteadOf(code: number): number {
  return STATUSES[code] ?? 500;
}
