import { describe } from "vitest";
import { trailerChecks } from "../../src/validity/lint/trailers.js";
import { defineLintCases } from "./lint-cases.js";

describe("trailers that are announced", () => {
  defineLintCases(trailerChecks, {
    "TR-3": {
      breaks: [
        { request: { te: "trailers" }, fields: ["Transfer-Encoding: chunked", "Trailer: Content-Type"] },
        { request: { te: "trailers" }, fields: ["Transfer-Encoding: chunked", "Trailer: X-Sum, Set-Cookie"] },
      ],
      keeps: [{ request: { te: "trailers" }, fields: ["Transfer-Encoding: chunked", "Trailer: X-Sum"] }],
    },
    "TR-6": {
      breaks: [
        { fields: ["Transfer-Encoding: chunked", "Trailer: X-Sum"] },
        { request: { te: "gzip" }, fields: ["Transfer-Encoding: chunked", "Trailer: X-Sum"] },
      ],
      keeps: [
        { fields: ["Transfer-Encoding: chunked"] },
        { request: { te: "gzip, trailers" }, fields: ["Transfer-Encoding: chunked", "Trailer: X-Sum"] },
        { version: "2.0", request: { te: "trailers" }, fields: ["Trailer: grpc-status"] },
      ],
    },
  });
});
