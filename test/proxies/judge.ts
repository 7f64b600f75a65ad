import { type ExchangeRequest, type ExchangeResult, exchange, type ParsedResponse } from "../../src/testing/index.js";
import { mismatch } from "../origins/judge.js";
import { type Misbehaviour, pathOf, type Upload } from "./misbehaviours/index.js";
import type { ProxyKind } from "./proxy.js";

/** What a client has seen through a proxy. */
export interface Sight {
  readonly name: string;
  readonly status: number;
  readonly whole: boolean;
  /** Why it is not what a correct origin server shows through a correct proxy, or `undefined`. */
  readonly wrong: string | undefined;
}

/** Lets the origin server behind `port` misbehave once, and judges what comes back. */
export async function provoke(kind: ProxyKind, port: number, misbehaviour: Misbehaviour): Promise<Sight> {
  const ray = randomRay();
  const { request, upload, options } = misbehaviour;
  const headers = { ...request?.headers, "CF-RAY": `${ray}-AMS` };
  const plain = { ...request, path: pathOf(misbehaviour), headers };
  const result = await exchange({ port }, withUpload(kind, plain, upload), { timeoutMs: 6000, ...options });
  const response = result.responses[0];
  const { status = 0, complete: whole = false } = response ?? {};
  return { name: misbehaviour.name, status, whole, wrong: judge(result, response, misbehaviour, ray) };
}

type Plain = ExchangeRequest & { headers: Record<string, string> };

function withUpload(kind: ProxyKind, request: Plain, upload: Upload | undefined): ExchangeRequest {
  if (upload === undefined) return request;
  const { octets, chunked, unread } = upload;
  const { headers } = request;
  if (unread && kind.uploadHeader !== undefined) {
    return { ...request, headers: { ...headers, [kind.uploadHeader]: `${octets}${chunked ? " chunked" : ""}` } };
  }
  const content = "x".repeat(octets);
  if (!chunked) return { ...request, method: "POST", body: content };
  const body = `${octets.toString(16)}\r\n${content}\r\n0\r\n\r\n`;
  return { ...request, method: "POST", headers: { ...headers, "Transfer-Encoding": "chunked" }, body };
}

function judge(
  result: ExchangeResult,
  response: ParsedResponse | undefined,
  { shows }: Misbehaviour,
  ray: string,
): string | undefined {
  const { responses, octets, end } = result;
  const problems = [...result.problems];
  const seen = { responses: [...responses], problems, octets, end, requests: 1 };
  const reasons = shows.map((shown) => mismatch(response, shown, seen) ?? madeByProxy(response, shown.kind, ray));
  if (reasons.includes(undefined)) return undefined;
  return `${[...new Set(reasons)].join(", or ")}; received ${JSON.stringify(octets.toString("latin1").slice(0, 400))}`;
}

/** The guard's fallback names the Ray ID of the request; Fastify's own error handler repeats the status. */
function madeByProxy(response: ParsedResponse | undefined, kind: string, ray: string): string | undefined {
  if (kind !== "replaced" || response === undefined) return undefined;
  const text = response.text();
  const byGuard = response.field("cache-control") === "no-store" && (text.includes(ray) || text === "");
  const isJson = response.field("content-type") === "application/json; charset=utf-8";
  const byFastify = isJson && (text.startsWith(`{"statusCode":${response.status},`) || text === "");
  return byGuard || byFastify ? undefined : `a ${response.status} that the origin server has not made`;
}

function randomRay(): string {
  return Array.from({ length: 16 }, () => Math.trunc(Math.random() * 16).toString(16)).join("");
}
