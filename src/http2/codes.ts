/** Error codes of HTTP/2 (RFC 9113, section 7). */
export const NO_ERROR = 0;
/** What nobody takes for the end of a complete response, as NO_ERROR could be. */
export const INTERNAL_ERROR = 2;
export const REFUSED_STREAM = 7;
export const CANCEL = 8;
