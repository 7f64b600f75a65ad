/** What nginx and others write when the server behind them fails them, and what that means. */
const MEANINGS: readonly (readonly [RegExp, string])[] = [
  [
    /prematurely closed connection/,
    "the app closed the connection before its response was complete (it answered 502, or cut).",
  ],
  [/connection refused/i, "nothing listened at the app's port: the process was down or restarting (it answered 502)."],
  [
    /connection reset by peer/i,
    "the app's process reset the connection: it crashed, or closed an idle connection as it was used again.",
  ],
  [
    /upstream timed out/,
    "the app did not answer within proxy_read_timeout (it answered 504); raise it above the guard's deadline.",
  ],
  [
    /too big header/,
    "the response header section is over proxy_buffer_size (it answered 502); raise that, or send less.",
  ],
  [/invalid header|no valid HTTP\/1\.0 header|invalid status/, "the response could not be parsed (it answered 502)."],
  [/no live upstreams/, "every server behind it counts as down after earlier failures (it answered 502)."],
  [/SSL_do_handshake/, "the TLS handshake with the app failed (it answered 502)."],
  [/too large body/, "the request is over client_max_body_size (it answered 413)."],
  [
    /too large (?:request|header)|too long (?:URI|header)/,
    "the request header section is over large_client_header_buffers (it answered 400 or 414).",
  ],
];

/** Says what a line of nginx's error log means; null for one without a known cause. */
export function meaningOf(message: string): string | null {
  return MEANINGS.find(([pattern]) => pattern.test(message))?.[1] ?? null;
}

/** Whether nothing took the connection: the request cannot have reached the app. */
export function isRefused(message: string): boolean {
  return /connection refused|ECONNREFUSED|no such host|no route to host|no live upstreams/i.test(message);
}
