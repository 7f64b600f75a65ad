import type { Row } from "./analytics-server.js";

const STATUSES = [520, 521, 522, 523, 524, 525, 526];
const DAY_MS = 86_400_000;

let serial = 0;

/** A row `ago` milliseconds ago, on a whole second as the API has them. */
export function row(ago: number, status: number, more: Readonly<Record<string, string | number>> = {}): Row {
  const at = Math.floor((Date.now() - ago) / 1_000) * 1_000;
  return {
    datetime: new Date(at).toISOString().replace(".000Z", "Z"),
    rayName: (0x230b0300 + serial++).toString(16).padStart(16, "0"),
    edgeResponseStatus: status,
    originResponseStatus: 0,
    clientRequestHTTPHost: "shop.example",
    clientRequestPath: "/orders",
    clientRequestHTTPMethodName: "GET",
    originResponseDurationMs: 12,
    coloCode: "SJC",
    cacheStatus: "dynamic",
    requestSource: "eyeball",
    sampleInterval: 1,
    ...more,
  };
}

/** A week of errors of known counts: status 520 + i occurs `counts[i]` times, spread over its days. */
export function week(counts: readonly number[], days = 7): Row[] {
  const rows: Row[] = [];
  for (const [i, count] of counts.entries()) {
    for (let n = 0; n < count; n++) {
      const ago = 60_000 + ((n * 7_919_000 + i * 1_000) % (days * DAY_MS - 120_000));
      const originResponseStatus = n % 3 === 0 ? 200 : 0;
      rows.push(row(ago, STATUSES[i] as number, { originResponseStatus, clientRequestPath: `/path/${n % 5}` }));
    }
  }
  return rows;
}
