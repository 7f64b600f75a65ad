import type { ExchangeRequest } from "../../../src/testing/index.js";
import { fault, type Misused, own, sleep } from "../../origins/scenario.js";
import type { Misbehaviour } from "./misbehaviour.js";

const SLOWLY = { writes: { chunkOctets: 16_384, delayMs: 2 } } as const;

/** Requests with content, read and unread. */
export const uploads: readonly Misbehaviour[] = [
  { name: "counts an upload that expects 100-continue", origin: count, request: { ...post(100_000), headers: { Expect: "100-continue" } }, options: SLOWLY, shows: [own("100000")] },
  { name: "counts an upload in chunks", origin: count, request: chunked(100_000), options: SLOWLY, shows: [own("100000")] },
  { name: "throws while 200 KB are being uploaded", origin: fail, request: post(200_000), options: SLOWLY, shows: [fault] },
  { name: "throws while 200 KB in chunks are being uploaded", origin: fail, request: chunked(200_000), options: SLOWLY, shows: [fault] },
  { name: "throws while 8 MB are being uploaded", origin: fail, request: post(8_000_000), shows: [fault] },
  { name: "throws while 8 MB in chunks are being uploaded", origin: fail, request: chunked(8_000_000), shows: [fault] },
  { name: "throws at an upload that expects 100-continue", origin: fail, request: { ...post(200_000), headers: { Expect: "100-continue" } }, options: SLOWLY, shows: [fault] },
  { name: "answers while 8 MB are being uploaded", origin: (_req, res) => res.end("hello"), request: post(8_000_000), shows: [own("hello")] },
  {
    name: "destroys the request inside an upload",
    origin: async (req) => {
      req.on("error", () => {});
      await sleep(5);
      req.destroy();
    },
    request: post(200_000),
    options: SLOWLY,
    shows: [fault],
    bare: true,
  },
];

function fail(): never {
  throw new Error("secret cause");
}

async function count(req: Misused, res: Misused): Promise<void> {
  let octets = 0;
  for await (const chunk of req) octets += chunk.length;
  res.end(String(octets));
}

function post(octets: number): ExchangeRequest {
  return { method: "POST", body: Buffer.alloc(octets, "x") };
}

function chunked(octets: number): ExchangeRequest {
  const chunk = `${octets.toString(16)}\r\n${"x".repeat(octets)}\r\n0\r\n\r\n`;
  return { method: "POST", headers: { "Transfer-Encoding": "chunked" }, body: chunk };
}
