import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { EDGE_PROFILES, REQUEST_HEADER_OCTETS } from "../../src/cloudflare/edge.js";

const { maxHeaderSectionOctets, idlePoolMs } = EDGE_PROFILES.cloudflare;
const kilobytes = (octets: number) => `${octets / 1024} KB`;

it.each([
  ["Response header section", `at most ${kilobytes(maxHeaderSectionOctets)}`],
  ["Idle connections stay open", `above ${idlePoolMs / 1000} s`],
  ["Request headers of any size the edge forwards", `up to ${kilobytes(REQUEST_HEADER_OCTETS)}`],
])("the page asks of an origin server what the profile of the edge says: %s", async (requirement, number) => {
  const page = await readFile(join(import.meta.dirname, "../../playground/page/client/index.html"), "utf8");
  const rows = [...page.matchAll(/<tr><td>(.*?)<\/td><td>(.*?)<\/td>/g)].map(([, name, said]) => [name, said]);
  expect(rows).toContainEqual([requirement, number]);
});
