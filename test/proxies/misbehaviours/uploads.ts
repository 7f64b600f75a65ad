import { fault, type Misused, own, sleep } from "../../origins/scenario.js";
import type { Misbehaviour } from "./misbehaviour.js";

const SLOWLY = { writes: { chunkOctets: 16_384, delayMs: 2 } };
/** Takes longer than any server waits for the rest once it has answered. */
const FOREVER = { writes: { chunkOctets: 2_048, delayMs: 15 } };
const EXPECTS = { headers: { Expect: "100-continue" } };

const READ = { octets: 100_000, chunked: false };
const SMALL = { octets: 200_000, chunked: false, unread: true } as const;
const LARGE = { octets: 8_000_000, chunked: false, unread: true } as const;

/** Requests with content, read and unread. */
export const uploads: readonly Misbehaviour[] = [
  {
    name: "reads an upload that expects 100-continue",
    origin: count,
    request: EXPECTS,
    upload: READ,
    options: SLOWLY,
    shows: [own("100000")],
  },
  {
    name: "reads an upload in chunks",
    origin: count,
    upload: { ...READ, chunked: true },
    options: SLOWLY,
    shows: [own("100000")],
  },
  { name: "throws during an upload of 200 KB", origin: fail, upload: SMALL, options: SLOWLY, shows: [fault] },
  {
    name: "throws during an upload of 200 KB in chunks",
    origin: fail,
    upload: { ...SMALL, chunked: true },
    options: SLOWLY,
    shows: [fault],
  },
  {
    name: "throws during an upload that expects 100-continue",
    origin: fail,
    request: EXPECTS,
    upload: SMALL,
    options: SLOWLY,
    shows: [fault],
  },
  { name: "throws during an upload of 8 MB", origin: fail, upload: LARGE, shows: [fault] },
  {
    name: "throws during an upload of 8 MB in chunks",
    origin: fail,
    upload: { ...LARGE, chunked: true },
    shows: [fault],
  },
  {
    name: "throws during an upload of more than a second",
    origin: fail,
    upload: SMALL,
    options: FOREVER,
    shows: [fault],
  },
  {
    name: "answers during an upload of 8 MB",
    origin: (_req, res) => res.end("hello"),
    upload: LARGE,
    shows: [own("hello")],
  },
  { name: "answers and closes during an upload of 8 MB", origin: closes, upload: LARGE, shows: [own("hello")] },
  {
    name: "answers and closes during an upload of more than a second",
    origin: closes,
    upload: SMALL,
    options: FOREVER,
    shows: [own("hello")],
  },
  {
    name: "destroys the request during an upload",
    origin: async (req) => {
      req.on("error", () => {});
      await sleep(5);
      req.destroy();
    },
    upload: SMALL,
    options: SLOWLY,
    shows: [fault],
    bare: "wrong",
  },
];

function fail(): never {
  throw new Error("secret cause");
}

function closes(_req: Misused, res: Misused): void {
  res.setHeader("connection", "close");
  res.end("hello");
}

async function count(req: Misused, res: Misused): Promise<void> {
  let octets = 0;
  for await (const chunk of req) octets += chunk.length;
  res.end(String(octets));
}
