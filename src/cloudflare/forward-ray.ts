import { currentRequest } from "../exchange/current-exchange.js";

/**
 * Wraps `fetch` so that what is sent on behalf of a request carries its CF-RAY, unless the caller has set one: the lines
 * that two services write then join. For services of your own; others have no use for it.
 */
export function forwardRay(fetch: typeof globalThis.fetch = globalThis.fetch): typeof globalThis.fetch {
  return function fetchWithRay(input, init) {
    const ray = currentRequest()?.ray;
    if (ray === undefined || ray === null) return fetch(input, init);
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
    if (!headers.has("cf-ray")) headers.set("cf-ray", ray.colo === null ? ray.id : `${ray.id}-${ray.colo}`);
    return fetch(input, { ...init, headers });
  };
}
