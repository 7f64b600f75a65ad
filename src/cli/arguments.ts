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

/** Reads a whole number of at least `least`. */
export function wholeNumber(least: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (/^\d+$/.test(value) && number >= least && Number.isSafeInteger(number)) return number;
    throw new InvalidArgumentError(`It must be a whole number, ${least} or more; got "${value}".`);
  };
}

const UNITS: Readonly<Record<string, number>> = {
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
};

/** Reads an amount of memory, such as 512M or 2G. @returns octets */
export function memory(value: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)([kmg])i?b?$/i.exec(value) ?? [];
  const octets = Number(number) * (UNITS[unit.toLowerCase()] ?? 0);
  if (octets > 0) return Math.floor(octets);
  throw new InvalidArgumentError(`It must be an amount of memory such as 512M or 2G; got "${value}".`);
}
