/** What to do about a rule, by its group, and about single codes where there is more to say than their text has. */
const OF_GROUP: Readonly<Record<string, string>> = {
  MC: "Find the handler by the method and the URL, and let every path through it end in one complete response.",
  SL: "Answer with a final status from 200 to 599, and leave the reason phrase and the version to Node.",
  IR: "Send interim responses with writeContinue(), writeProcessing() and writeEarlyHints() only, before the final one.",
  HF: "Find where the field is set, and give it a plain string that is free of line breaks and of a sensible size.",
  FR: "Leave Content-Length and Transfer-Encoding to Node or the framework, or set exactly one of them, and right.",
  TR: "Send trailers only on chunked responses, announced in Trailer, and never a field that framing depends on.",
  CX: "Leave Connection, Keep-Alive and Upgrade to Node; to end a connection, answer with Connection: close.",
  RQ: "Add the field that the status calls for, or choose the status that the content stands for.",
  MD: "Correct the field where it is set; the line of the lint in the log has the value to write instead (advice).",
  CC: "Correct the caching field where it is set; the line of the lint in the log has what to write instead (advice).",
  XS: "Correct the field where it is set; the line of the lint in the log has what to write instead (advice).",
};

const OF_CODE: Readonly<Record<string, string>> = {
  "MC-5": "Compute Content-Length with Buffer.byteLength() of what is really sent, or leave it out.",
  "MC-7": "Compute Content-Length with Buffer.byteLength() of what is really sent, or leave it out.",
  "MC-9": "Use stream.pipeline() instead of pipe(), and look into why the source failed (err).",
  "MC-10":
    "Find what the handler waits for and give that a shorter timeout; for long work answer 202 and let clients ask.",
  "MC-11": "Answer sooner, raise shutdown.graceMs, or give the process manager more time before it kills.",
  "HF-18": "Send fewer or smaller cookies, Link and policy fields; the reason names the largest ones.",
  "HF-20": "Send fewer cookies and Link fields, or join what may be joined into one line.",
  "CX-10": "Keep keepAliveTimeout above the idle time of whoever connects: 900 s for Cloudflare, 90 s for cloudflared.",
  HANDLER_ERROR: "Look at err and its stack; catch it where it is thrown, or answer it in an error handler.",
  LATE_ERROR: "Look at err: what runs after the response is over needs a catch of its own.",
  GATEWAY_STATUS:
    'Answer 500 or 503 yourself where a server behind the app fails; gatewayStatus: "keep" leaves it alone.',
  CLIENT_ERROR:
    "With status 431, raise --max-http-header-size to the 128 KiB the edge forwards; with 408, look at slow uploads.",
  CRASHING: "Find the incident UNCAUGHT of the same process, just before: it has the exception.",
  RECIPIENT_DEADLINE:
    "Nothing is wrong with the app: the visitor has paused for long, or is gone. Raise recipientDeadlineMs if that is usual.",
  DIRECT:
    "Harmless where it was a scan. If it was your own proxy or Tunnel, name it in the option trust (docs/guides/trust.md).",
  OVERLOAD: "See the reason for the limit that was crossed; give the process less work, or add processes.",
};

export function nextStepOf(code: string): string | undefined {
  return OF_CODE[code] ?? OF_GROUP[/^([A-Z]{2})-\d+$/.exec(code)?.[1] ?? ""];
}
