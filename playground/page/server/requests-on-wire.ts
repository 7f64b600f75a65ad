/** A request as it stands among the octets that an edge sent. */
export interface WireRequest {
  readonly method: string;
  readonly target: string;
  readonly version: "1.0" | "1.1";
  /** 16 digits of CF-RAY; empty where there is none. */
  readonly ray: string;
  readonly start: number;
  /** Behind the empty line. */
  readonly contentStart: number;
  readonly end: number;
}

const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP\/(1\.[01])$/;

/** Finds the requests in octets that an HTTP/1.1 client sent one after the other; stops at what is none. */
export function requestsIn(octets: Buffer): WireRequest[] {
  const requests: WireRequest[] = [];
  let start = 0;
  for (;;) {
    const blank = octets.indexOf("\r\n\r\n", start);
    if (blank === -1) return requests;
    const [line = "", ...fields] = octets.toString("latin1", start, blank).split("\r\n");
    const match = REQUEST_LINE.exec(line);
    if (match === null) return requests;
    const [, method = "", target = "", version] = match;
    const contentStart = blank + 4;
    const end = contentStart + contentOctets(octets, contentStart, fields);
    const ray = field(fields, "cf-ray").slice(0, 16);
    requests.push({ method, target, version: version as "1.0" | "1.1", ray, start, contentStart, end });
    start = end;
  }
}

function contentOctets(octets: Buffer, start: number, fields: readonly string[]): number {
  if (/chunked/i.test(field(fields, "transfer-encoding"))) {
    const last = octets.indexOf("0\r\n\r\n", start);
    return (last === -1 ? octets.length : last + 5) - start;
  }
  // Content that was announced may still be kept back: 100-continue.
  return Math.min(Number(field(fields, "content-length")) || 0, octets.length - start);
}

function field(fields: readonly string[], name: string): string {
  const line = fields.find((one) => one.toLowerCase().startsWith(`${name}:`));
  return line?.slice(name.length + 1).trim() ?? "";
}
