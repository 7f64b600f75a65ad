import { type Broken, octets } from "./broken.js";

const OK = "HTTP/1.1 200 OK\r\nDate: DATE\r\n";
const closing = `${OK}Connection: close\r\n`;

/** Broken in framing, as far as Node's own server lets it out only through the socket. */
export const FRAMING: readonly Broken[] = [
  {
    name: "has a Content-Length beyond all bounds",
    start: octets(`${closing}Content-Length: 99999999999999999999\r\n\r\nhello`),
    finds: ["content-length-too-large"],
  },
  {
    name: "has content with 205",
    start: octets("HTTP/1.1 205 Reset Content\r\nDate: DATE\r\nContent-Length: 5\r\n\r\nhello", false),
    finds: ["content-not-allowed"],
  },
  {
    name: "stops in the trailers",
    start: octets(`${OK}Transfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n`),
    finds: ["incomplete-trailer-section"],
  },
  {
    name: "switches protocols without naming one",
    start: octets("HTTP/1.1 101 Switching Protocols\r\n\r\n", false),
    finds: ["switch-without-upgrade", "unrequested-switch"],
  },
  {
    name: "uses a transfer coding nobody asked for",
    start: octets(`${OK}Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`, false),
    finds: ["unrequested-transfer-coding"],
  },
];
