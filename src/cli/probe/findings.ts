import { CATALOGUE, type Entry, type FindingId, type GROUPS, type Severity } from "./catalogue.js";

/** One kind of fault, however often it was seen. The shape of `--json`. */
export interface Finding {
  readonly id: FindingId;
  readonly severity: Severity;
  readonly group: keyof typeof GROUPS;
  readonly title: string;
  /** What was seen, octets escaped; the first three that differ. */
  readonly seen: readonly string[];
  /** How often it was seen. */
  readonly times: number;
  /** The requests it was seen with. */
  readonly requests: readonly string[];
  /** What Cloudflare makes of it; `null`: nothing. */
  readonly cloudflare: string | null;
  readonly advice: string;
  readonly source: string;
  /** Rule of docs/reference/rules.md, or `null`. */
  readonly rule: string | null;
}

const MOST_SEEN = 3;
const MOST_REQUESTS = 8;

/** Everything found so far: one finding for each id. */
export class Findings {
  readonly #found = new Map<
    FindingId,
    { seen: Set<string>; requests: Set<string>; times: number; rule: string | null }
  >();

  add(id: FindingId, request: string, seen: string, rule?: string): void {
    const entry: Entry = CATALOGUE[id];
    const found = this.#found.get(id) ?? { seen: new Set(), requests: new Set(), times: 0, rule: null };
    found.times += 1;
    found.rule ??= rule ?? entry.rule ?? null;
    if (found.seen.size < MOST_SEEN) found.seen.add(seen);
    if (found.requests.size < MOST_REQUESTS) found.requests.add(request);
    this.#found.set(id, found);
  }

  has(id: FindingId): boolean {
    return this.#found.has(id);
  }

  /** In the order of the catalogue. */
  list(): Finding[] {
    return (Object.keys(CATALOGUE) as FindingId[]).flatMap((id) => {
      const found = this.#found.get(id);
      if (found === undefined) return [];
      const { group, severity, title, cloudflare, advice, source }: Entry = CATALOGUE[id];
      const { seen, requests, times, rule } = found;
      return [
        {
          id,
          severity,
          group,
          title,
          seen: [...seen],
          times,
          requests: [...requests],
          cloudflare,
          advice,
          source,
          rule,
        },
      ];
    });
  }
}
