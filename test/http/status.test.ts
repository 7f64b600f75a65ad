import { STATUS_CODES } from "node:http";
import { describe, expect, it } from "vitest";
import { isBodiless, isGatewayStatus, reasonOf, withoutGateway } from "../../src/http/status.js";

const STATUSES = Array.from({ length: 900 }, (_, index) => 100 + index);

describe("what is known of statuses", () => {
  it("has the reason phrases of Node, and no others", () => {
    for (const status of STATUSES) expect(reasonOf(status), String(status)).toBe(STATUS_CODES[status]);
  });

  it("has two of gateways, and another one for each that the edge passes on", () => {
    expect(STATUSES.filter(isGatewayStatus)).toEqual([502, 504]);
    expect(STATUSES.filter((status) => withoutGateway(status) !== status)).toEqual([502, 504]);
    expect([502, 504].map(withoutGateway)).toEqual([500, 503]);
  });

  it("has two that end with their header section", () => {
    expect(STATUSES.filter(isBodiless)).toEqual([204, 304]);
  });
});
