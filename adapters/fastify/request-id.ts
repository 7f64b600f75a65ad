import { parseRay } from "../../src/internals.js";

let count = 0;

/**
 * Makes the Ray ID the id of a request: `Fastify({ genReqId })`. Fastify binds it to `request.log` in the one child logger
 * it makes anyway. Without a CF-RAY that looks like one, the id is a number of this process, as Fastify's own.
 */
export function genReqId(request: { readonly headers: NodeJS.Dict<string | string[]> }): string {
  const ray = parseRay(request.headers["cf-ray"]);
  if (ray !== null) return ray.id;
  count = (count + 1) % Number.MAX_SAFE_INTEGER;
  return `req-${count.toString(36)}`;
}
