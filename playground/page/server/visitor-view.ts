import type { Seen } from "../../client/seen.js";
import { edgeContent } from "../../edge/edge-content.js";
import type { RequestForm, VisitorView } from "../shared/model.js";
import { verdictOf } from "./verdict.js";
import type { Visit } from "./visitor.js";

const MAX_FIELDS = 40;
const MAX_VALUE_LENGTH = 300;
const MAX_CONTENT_OCTETS = 20_000;

export interface Content {
  readonly type: string;
  readonly octets: Buffer;
}

/** What the visitor of `visit` gets, and how the others fared. */
export function visitorView(
  { result, sighting }: Visit,
  shown: Seen,
  seen: readonly Seen[],
  { headers }: RequestForm,
  isDirect: boolean,
): { view: VisitorView; content: Content } {
  const response = result?.responses.at(-1);
  // The strict client listens for a while longer; the edge does not.
  const ms = Math.round((isDirect ? result?.firstOctetMs : undefined) ?? result?.ms ?? 0);
  const crowd = seen.length > 1 ? crowdText(seen) : null;
  if (isDirect && shown.kind === "failed") {
    // There is no edge to make a page; this is the one it would have made.
    const address = headers.find(([name]) => /^cf-connecting-ip$/i.test(name))?.[1] ?? "";
    const { status } = shown;
    const octets = Buffer.from(edgeContent(status, sighting.ray, address, verdictOf(shown).sentence));
    const contentOctets = octets.length;
    const view = { status, reason: "", fields: [], complete: true, contentOctets, isOfTheEdge: true, ms, crowd };
    return { view, content: { type: "text/html; charset=utf-8", octets } };
  }
  const octets = response?.content ?? Buffer.alloc(0);
  const fields = (response?.fields ?? []).slice(0, MAX_FIELDS);
  const view: VisitorView = {
    status: response?.status ?? shown.status,
    reason: response?.reason ?? "",
    fields: fields.map(([name, value]) => [name, value.slice(0, MAX_VALUE_LENGTH)] as const),
    complete: response?.complete ?? false,
    contentOctets: octets.length,
    isOfTheEdge: response?.field("CF-Error-Type") !== undefined,
    ms,
    crowd,
  };
  const type = response?.field("Content-Type") ?? "text/plain";
  return { view, content: { type, octets: octets.subarray(0, MAX_CONTENT_OCTETS) } };
}

function crowdText(seen: readonly Seen[]): string {
  const counts = new Map<string, number>();
  for (const one of seen) {
    const { label } = verdictOf(one);
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  const parts = [...counts].map(([label, count]) => (count === 1 ? label : `${count} × ${label}`));
  return `${seen.length} requests: ${parts.join(", ")}`;
}
