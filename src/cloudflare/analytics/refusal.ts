import { parseSpan } from "./span.js";

/** An error of the API, which come with status 200. */
export interface GraphqlError {
  readonly message?: string;
  readonly extensions?: { readonly code?: string } | null;
}

/** Why a query was refused, as far as something can be done about it. */
export type Refusal = { readonly message: string } & (
  | { readonly kind: "rate limit" | "busy" | "token" | "dataset" | "other" }
  /** The plan does not have a field; its name comes in lower case. */
  | { readonly kind: "field"; readonly field: string }
  | { readonly kind: "too old"; readonly limitMs: number | null }
  | { readonly kind: "too long"; readonly limitMs: number | null }
  | { readonly kind: "too many fields"; readonly limit: number | null }
  | { readonly kind: "too many rows"; readonly limit: number | null }
);

/**
 * Understands the errors of an answer: by their words, since most have no code.
 * @see https://developers.cloudflare.com/analytics/graphql-api/errors/
 */
export function refusalOf(errors: readonly GraphqlError[]): Refusal {
  const refusals = errors.map(understand);
  // What another query can get around counts more than what is left after it.
  return refusals.find(({ kind }) => kind !== "other") ?? refusals[0] ?? { kind: "other", message: "" };
}

function understand({ message = "", extensions }: GraphqlError): Refusal {
  const text = message.toLowerCase();
  const code = extensions?.code ?? "";
  const says = (pattern: RegExp) => pattern.exec(text);
  if (code === "budget" || says(/rate limiter|budget depleted|rate limit/)) return { kind: "rate limit", message };
  const field =
    says(/does not have access to the field ['"]?([\w.]+)/) ??
    says(/(?:unknown field|unknown arg(?:ument)?|cannot query field) ['"]?([\w.]+)/);
  if (field !== null) return { kind: "field", field: field[1] as string, message };
  if (says(/does not have access to the path/)) return { kind: "dataset", message };
  const old = says(/cannot request data older than ([\w.]+)/);
  if (old !== null) return { kind: "too old", limitMs: parseSpan(old[1] as string), message };
  const long = says(
    /time range wider than ([\w.]+)|time range is too large[^.]*?(?:than|up to) ([\w.]+)|time range is too large/,
  );
  if (long !== null) return { kind: "too long", limitMs: parseSpan(long[1] ?? long[2] ?? ""), message };
  const fields = says(/number of fields can(?:'|no)t be more than (\d+)/);
  if (fields !== null) return { kind: "too many fields", limit: Number(fields[1]), message };
  const rows = says(/limit must be .*?not greater than (\d+)/);
  if (rows !== null) return { kind: "too many rows", limit: Number(rows[1]), message };
  if (says(/too many queries in progress|try again later|unable to execute query/)) return { kind: "busy", message };
  if (code === "authz" || says(/not authorized|authentication|invalid (?:api )?token|unauthorized/)) {
    return { kind: "token", message };
  }
  return { kind: "other", message };
}
