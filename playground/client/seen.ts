import type { ParsedResponse, Problem } from "rayguard/testing";

/**
 * What a visitor gets: a complete response; a complete one that breaks a rule all the same (`invalid`); one that is
 * visibly cut; or an error page of the edge, since the origin server gave it nothing to pass on (`failed`).
 */
export interface Seen {
  readonly kind: "complete" | "invalid" | "cut" | "failed";
  readonly status: number;
  /** Id of the rule that was found broken, where the strict client looked. */
  readonly rule?: string;
}

// From best to worst.
const KINDS = ["complete", "cut", "invalid", "failed"] as const;

/** The worst of what was seen: one cause can fail several requests. */
export function worst(seen: readonly Seen[]): Seen {
  return seen.reduce((a, b) => (KINDS.indexOf(b.kind) > KINDS.indexOf(a.kind) ? b : a));
}

/** Judges a response that came through the edge. */
export function seenAtEdge(response: ParsedResponse | undefined): Seen {
  // The edge answers whatever happens behind it, so this is a fault of the edge; it must not look like a success.
  if (response === undefined || response.status === 0) return { kind: "failed", status: 0 };
  const { status } = response;
  if (response.field("CF-Error-Type") !== undefined) return { kind: "failed", status };
  return { kind: response.complete ? "complete" : "cut", status };
}

// What makes a header section unreadable for a strict edge; docs/reference/rules.md has every id.
const UNREADABLE = /^(?:MC-[1-4]|SL-|HF-[1-7]$|FR-[1-9]$)/;
export const MAX_HEADER_SECTION_OCTETS = 131_072;

/** Judges a response that the strict client got from the origin server itself: what a strict edge would make of it. */
export function seenDirectly(
  response: ParsedResponse | undefined,
  problems: readonly Problem[],
  octets: Buffer,
  timedOut: boolean,
): Seen {
  const rule = problems[0]?.rule ?? problems[0]?.code ?? "MC-1";
  if (response === undefined || response.status === 0) return { kind: "failed", status: timedOut ? 524 : 520, rule };
  const { status } = response;
  if (octets.indexOf("\r\n\r\n") > MAX_HEADER_SECTION_OCTETS) return { kind: "failed", status: 520, rule: "HF-18" };
  if (problems.some(({ rule = "" }) => UNREADABLE.test(rule))) return { kind: "failed", status: 520, rule };
  if (!response.complete) return { kind: "cut", status, rule };
  return problems.length === 0 ? { kind: "complete", status } : { kind: "invalid", status, rule };
}

/** Joins what workerd passed on as complete with what the strict client says of the same response. */
export function confirmed(atEdge: Seen, { kind, rule = "MC-1" }: Seen): Seen {
  return kind === "complete" ? atEdge : { kind: "invalid", status: atEdge.status, rule };
}
