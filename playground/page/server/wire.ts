import { type ParsedResponse, type Problem, parseResponses } from "rayguard/testing";
import { endOfSection } from "../../../src/http/message.js";
import { MAX_HEADER_SECTION_OCTETS, type Seen, seenDirectly } from "../../client/seen.js";
import type { WireConnection } from "../shared/model.js";
import { requestRows, responseRows, wireProblem } from "./octet-rows.js";
import type { RecordedConnection } from "./recording.js";
import { requestsIn, type WireRequest } from "./requests-on-wire.js";
import type { Client } from "./timeline.js";

/** One connection, read by the strict parser. */
export interface ReadConnection {
  readonly recorded: RecordedConnection;
  readonly octets: Buffer;
  readonly requests: readonly WireRequest[];
  readonly responses: readonly ParsedResponse[];
  readonly problems: readonly Problem[];
}

export function readConnection(recorded: RecordedConnection): ReadConnection {
  const octets = recorded.octets("origin");
  const requests = requestsIn(recorded.octets("edge"));
  const { ending } = recorded;
  const isWhole = recorded.isWhole("origin");
  const end =
    ending === undefined || ending.from === "edge" || !isWhole ? "open" : ending.kind === "end" ? "fin" : "reset";
  // What was no request may have been answered all the same.
  const asked = requests.length > 0 ? requests : octets.length > 0 ? [{ method: "GET", version: "1.1" as const }] : [];
  const { responses, problems } = parseResponses(octets, { requests: asked, end });
  return { recorded, octets, requests, responses, problems: [...problems, ...tooLarge(octets, responses)] };
}

/** The limit of the edge is no rule of HTTP, so the parser does not know it. */
function tooLarge(octets: Buffer, responses: readonly ParsedResponse[]): Problem[] {
  return responses.flatMap(({ start }): Problem[] => {
    const size = endOfSection(octets, start) - start;
    if (size <= MAX_HEADER_SECTION_OCTETS) return [];
    const message = `The header section has ${size} octets; the edge takes ${MAX_HEADER_SECTION_OCTETS}.`;
    return [{ code: "header-section-too-large", offset: start + MAX_HEADER_SECTION_OCTETS, message, rule: "HF-18" }];
  });
}

/** What a strict edge would make of the last answer to the request with this Ray ID; `undefined`: it is not there. */
export function seenOnWire(connections: readonly ReadConnection[], ray: string): Seen | undefined {
  for (const { requests, responses, problems, octets, recorded } of connections.toReversed()) {
    const index = requests.findLastIndex((request) => request.ray === ray);
    if (index === -1) continue;
    if (!recorded.isWhole("origin")) return undefined;
    const response = responses[index];
    const timedOut = recorded.ending === undefined || recorded.ending.from === "edge";
    return seenDirectly(response, response?.problems ?? problems, octets.subarray(response?.start ?? 0), timedOut);
  }
  return undefined;
}

export function wireView(connection: ReadConnection, client: Client): WireConnection {
  const { recorded, octets, requests, responses, problems } = connection;
  const { id, isReused, ending, total } = recorded;
  const rows = responseRows(octets, responses, problems);
  return {
    id,
    isReused,
    requestOctets: total.edge,
    responseOctets: total.origin,
    request: requestRows(recorded.octets("edge"), requests),
    response: rows,
    problems: rows.length === 0 ? problems.map(wireProblem) : [],
    end: endingOf(ending, client),
  };
}

function endingOf(ending: RecordedConnection["ending"], client: Client): WireConnection["end"] {
  if (ending === undefined) return "kept open";
  if (ending.kind === "refused") return "refused";
  if (ending.from === "edge") return `closed by the ${client}`;
  return ending.kind === "reset" ? "reset by the origin server" : "closed by the origin server";
}
