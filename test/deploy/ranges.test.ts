import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { RANGE_FORMATS } from "../../src/cli/ranges/index.js";
import { PUBLISHED_RANGES } from "../../src/cloudflare/published-ranges.js";
import { DEPLOY } from "./shipped.js";

it.each([
  ["nginx/cloudflare-ranges.conf", "nginx"],
  ["nginx/cloudflare-realip.conf", "nginx-realip"],
  ["apache/cloudflare.conf", "apache"],
  ["haproxy/cloudflare.lst", "haproxy"],
])("deploy/%s is what rayguard ranges --format %s writes", (file, format) => {
  const text = readFileSync(join(DEPLOY, file), "utf8");
  expect(text).toBe(RANGE_FORMATS[format]?.(PUBLISHED_RANGES, { ports: [] }));
});
