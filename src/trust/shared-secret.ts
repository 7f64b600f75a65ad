import { createRequire } from "node:module";
import { RayguardError } from "../errors.js";
import { isToken } from "../http/grammar.js";
import { invalid, membersOf } from "../option-checks.js";

/** A header that only the edge can send, as a Transform Rule or a Worker of your own zone sets it. */
export interface SecretOptions {
  /** Name of the field. */
  header: string;
  /** The secret: 16 octets or more of visible ASCII. */
  value?: string;
  /** Secrets that count at the same time, while one takes the place of another. */
  values?: readonly string[];
}

/** Fields of a request as Node has read them. */
export type Headers = NodeJS.Dict<string | string[]>;

/** Compares a header with secrets so that the time it takes tells neither their content nor their length. */
export class SharedSecret {
  readonly #header: string;
  readonly #digests: readonly Buffer[];
  readonly #crypto: typeof import("node:crypto");

  constructor(header: string, values: readonly string[]) {
    // Loaded where there is a secret, since most guards have none.
    this.#crypto = createRequire(import.meta.url)("node:crypto") as typeof import("node:crypto");
    this.#header = header.toLowerCase();
    this.#digests = values.map((value) => this.#digest(value));
  }

  matches(headers: Headers): boolean {
    const given = headers[this.#header];
    if (typeof given !== "string") return false;
    const digest = this.#digest(given);
    let matches = false;
    for (const known of this.#digests) if (this.#crypto.timingSafeEqual(digest, known)) matches = true;
    return matches;
  }

  #digest(value: string): Buffer {
    return this.#crypto.hash("sha256", value, "buffer");
  }
}

/** Checks `trust.secret`. @throws {RayguardError} `ERR_RAYGUARD_INVALID_OPTION` */
export function resolveSecret(secret: unknown): SharedSecret {
  const expected = "an object { header, value } or { header, values }";
  const { header, value, values } = membersOf(secret, "trust.secret", expected, ["header", "value", "values"]);
  if (typeof header !== "string" || !isToken(header))
    throw invalid("trust.secret.header", "the name of a field", header);
  const all = values === undefined ? [value] : values;
  if ((value !== undefined && values !== undefined) || !Array.isArray(all) || all.length === 0)
    throw invalid("trust.secret", "an object with a value, or with a list of values", secret);
  if (!all.every((one) => typeof one === "string" && /^[\x21-\x7e]{16,}$/.test(one))) {
    // What was given is not shown: it may be the secret, with a line end too many.
    throw new RayguardError(
      "ERR_RAYGUARD_INVALID_OPTION",
      "trust.secret takes values of 16 octets or more of visible ASCII, without spaces; got one that is shorter or holds others.",
    );
  }
  return new SharedSecret(header, all as string[]);
}
