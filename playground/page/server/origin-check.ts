import type { FastifyReply, FastifyRequest } from "fastify";

/**
 * Keeps every other page out, since the buttons here kill processes: a name that points at 127.0.0.1 (DNS rebinding) is
 * not this page's, and an order must come from the page itself.
 * @returns why the request is refused
 */
export function refusal({ method, headers }: FastifyRequest, port: number): string | undefined {
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  if (!hosts.includes(headers.host ?? "")) return `This page is at http://${hosts[0]}, not at "${headers.host ?? ""}".`;
  if (method === "GET" || method === "HEAD") return undefined;
  const { origin } = headers;
  if (origin === `http://${headers.host}`) return undefined;
  return `An order must come from the page itself; Origin is "${origin ?? ""}".`;
}

// Nothing from another host, no script and no style but the page's own files.
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "frame-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** For content of the origin servers, which the page shows in a frame: it can do nothing but be looked at. */
const FRAME_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'";

export function setPolicy(reply: FastifyReply, isFrame: boolean): void {
  reply.headers({
    "Content-Security-Policy": isFrame ? FRAME_POLICY : POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
  });
}
