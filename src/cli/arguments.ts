import { InvalidArgumentError } from "commander";

/** Reads an http: or https: URL. */
export function httpUrl(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") return url;
  throw new InvalidArgumentError(`It must be a URL such as https://example.com/, with its scheme; got "${value}".`);
}

/** Reads a duration in seconds, over 0 and up to a day; fractions are fine. */
export function seconds(value: string): number {
  const number = Number(value);
  if (value.trim() !== "" && number > 0 && number <= 86_400) return number;
  throw new InvalidArgumentError(`It must be a number of seconds, over 0 and up to 86400; got "${value}".`);
}

/** Reads a TCP port. */
export function tcpPort(value: string): number {
  const port = Number(value);
  if (/^\d+$/.test(value) && port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError(`It must be a port, 1 to 65535; got "${value}".`);
}
