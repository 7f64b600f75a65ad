/** Codes of what is no rule about a message, but an event in the life of the app. */
export const EVENTS = {
  HANDLER_ERROR: "The app failed before it answered.",
  LATE_ERROR: "The app failed after its response was complete; the response went out unharmed.",
  LATE_WRITE:
    "The app wrote, or set a field, after its response was over; nothing of it was sent. Return after answering.",
  GATEWAY_STATUS:
    "The app's own 502 or 504 went out as 500 or 503, since the edge replaces the content of 502 and 504.",
  CLIENT_ERROR:
    "The request could not be parsed, or did not arrive in time; it was answered and the connection closed.",
  UNCAUGHT:
    "An exception that nobody caught came from this request, and the process has to end. Catch it where it is thrown.",
  CRASHING: "Refused: the process ends after an exception that nobody caught.",
  SHUTDOWN: "The process ended before the app had answered. Answer sooner, or raise shutdown.graceMs.",
  EXIT: "The app ended the process (process.exit) before it had answered. Let guard.drain() finish first.",
  RAW_WRITE:
    "Octets written straight to the socket were no complete valid response. Answer through the response object.",
  KILLED:
    "The process ended while this request was in flight; the next start reports it, or the keeper at once. Look for an OOM kill or a SIGKILL.",
  NO_WORKER:
    "Under a keeper: no process of the app could take the connection. Look for why the last one ended, or has no descriptor left.",
  BLOCKED:
    "The event loop was blocked: no request was read or answered meanwhile. See err for the code that ran; move such work to a thread or split it.",
  RECIPIENT_DEADLINE:
    "The recipient took nothing of the response for longer than recipientDeadlineMs; the connection was closed.",
  GUARD_FAULT:
    "Something of rayguard's own failed. It was contained, and the app goes on without it; please report it with err.",
  DIRECT: "The request did not come through the edge; it was refused with 403 (option direct).",
  OVERLOAD: "The process could not take the request; it was refused with 503 and Retry-After.",
} as const;
