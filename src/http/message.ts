/** Whether a request announces content, of which some may be still to come. RFC 9112, section 6. */
export function announcesContent(headers: NodeJS.Dict<string | string[]>): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}
