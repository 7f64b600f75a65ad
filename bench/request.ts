/** Connections kept alive at a time, each with one request on its way. */
export const CONNECTIONS = 32;

/** The expected answer's content, 45 octets. */
export const CONTENT = '{"message":"hello from the origin","ok":true}';

/** Where `stampRay` writes, from the end of `CF-RAY: `. */
const RAY_MARK = "CF-RAY: 8f1c2d3e";

/**
 * A request as Cloudflare sends it, 12 header lines.
 * @param connection - Gives each connection another client address, as on a server behind the edge.
 */
export function buildRequest(path: string, connection: number): Buffer {
  const client = `203.0.113.${1 + (connection % 254)}`;
  return Buffer.from(
    [
      `GET ${path} HTTP/1.1`,
      "Host: www.example.com",
      "Connection: Keep-Alive",
      "Accept-Encoding: gzip, br",
      "CF-RAY: 8f1c2d3e00000000-FRA",
      `CF-Connecting-IP: ${client}`,
      "CF-IPCountry: DE",
      'CF-Visitor: {"scheme":"https"}',
      `X-Forwarded-For: ${client}`,
      "X-Forwarded-Proto: https",
      "CDN-Loop: cloudflare; loops=1",
      "Accept: application/json",
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
      "",
      "",
    ].join("\r\n"),
    "latin1",
  );
}

/** Offset of the digits that `stampRay` replaces. */
export function rayOffset(request: Buffer): number {
  return request.indexOf(RAY_MARK, 0, "latin1") + RAY_MARK.length;
}

/** Gives the request a Ray ID of its own, in place: a guard that remembers the last one must gain nothing. */
export function stampRay(request: Buffer, offset: number, serial: number): void {
  for (let digit = 7, rest = serial; digit >= 0; digit--, rest >>>= 4) {
    request[offset + digit] = HEX_DIGITS[rest & 15] as number;
  }
}

const HEX_DIGITS = Buffer.from("0123456789abcdef", "latin1");
