import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { createGuard } from "../src/index.js";
import { Wire } from "./helpers/wire.js";
import { listen } from "./testing/servers.js";

const JSON_LAST = "application/problem+json, application/health+json";

/** Content-Type of the answers to one request each for a failure and for the health check. */
async function typesFor(accept: string) {
  const guard = createGuard({ logger: false });
  const server = createServer(
    { maxHeaderSize: 262_144 },
    guard.listener(() => {
      throw new Error("x");
    }),
  );
  guard.attach(server);
  const { port } = (await listen(server)).address() as AddressInfo;
  const wire = await Wire.open(port);
  for (const path of ["/", "/health"]) wire.send(`GET ${path} HTTP/1.1\r\nHost: x\r\nAccept: ${accept}\r\n\r\n`);
  await wire.answers(2);
  return wire
    .finish()
    .responses.map(({ status, fields }) => [
      status,
      fields.find(([name]) => name.toLowerCase() === "content-type")?.[1],
    ]);
}

const WANTED = [
  [500, "application/problem+json"],
  [200, "application/health+json"],
];
const DEFAULT = [
  [500, "text/plain; charset=utf-8"],
  [200, "application/json"],
];

describe("an Accept field", () => {
  it.each([
    ["as browsers send it", `text/x-a, text/x-b;q=0.9, ${JSON_LAST}`, WANTED],
    ["of 60 media ranges", `${"a/b, ".repeat(58)}${JSON_LAST}`, WANTED],
    ["of 70 media ranges", `${"a/b, ".repeat(68)}${JSON_LAST}`, DEFAULT],
    ["of 70 empty elements", `${",".repeat(68)}${JSON_LAST}`, DEFAULT],
    ["with a parameter of 1 900 octets", `text/x-a;p=${"p".repeat(1_900)}, ${JSON_LAST}`, WANTED],
    ["with a parameter of 2 100 octets", `text/x-a;p=${"p".repeat(2_100)}, ${JSON_LAST}`, DEFAULT],
    ["of 128 kB", `${"a/b,".repeat(32_000)}${JSON_LAST}`, DEFAULT],
  ])("%s is read as far as anybody needs", async (_what, accept, expected) => {
    expect(await typesFor(accept)).toEqual(expected);
  });
});
