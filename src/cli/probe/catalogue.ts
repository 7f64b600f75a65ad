/**
 * How bad a finding is. `error`: visitors can get an error page of Cloudflare, half a response, or a hang.
 * `warning`: works today, and fails under a setting, at a moment or in a hop that can be named. `info`: good to know.
 */
export type Severity = "error" | "warning" | "info";

/** What a finding is about; also the order of the report. */
export const GROUPS = {
  connect: "Connection and TLS",
  certificate: "Certificate",
  messages: "Responses",
  limits: "Limits of the edge",
  robustness: "Unusual requests",
  reuse: "Persistent connections",
  http2: "HTTP/2",
  health: "Health endpoint",
  redirects: "Redirects",
  timing: "Time",
  probe: "This probe",
} as const;

export type Group = keyof typeof GROUPS;

/** What is said of every finding of one kind. */
export interface Entry {
  readonly group: Group;
  readonly severity: Severity;
  readonly title: string;
  /** What Cloudflare makes of it: a status, or words; `null` where nothing. */
  readonly cloudflare: string | null;
  /** What to change. */
  readonly advice: string;
  readonly source: string;
  /** Rule of docs/reference/rules.md. */
  readonly rule?: string;
}

const PAGES = "https://developers.cloudflare.com";
const ERRORS = `${PAGES}/support/troubleshooting/http-status-codes/cloudflare-5xx-errors`;
const LIMITS = `${PAGES}/fundamentals/reference/connection-limits/`;
const H2 = `${PAGES}/speed/optimization/protocol/http2-to-origin/`;
const STRICT = `${PAGES}/ssl/origin-configuration/ssl-modes/full-strict/`;
const CUT = "truncated 200, or 502";
const STRICTER = "none known; a stricter recipient in between may refuse it (502 or 520)";
const GUARD = "Put rayguard in front of the application, or";

/** Every finding. The ids are stable: never renamed, never reused. Several are codes of `rayguard/testing` as well. */
// biome-ignore format: a table reads best with few lines for each row.
export const CATALOGUE = {
  // Connection and TLS
  "name-not-found": { group: "connect", severity: "error", title: "The host name has no address", cloudflare: "530 (error 1016)", source: `${ERRORS}/error-530/`,
    advice: "Correct the DNS record, or name the address with --resolve host:address." },
  "connection-refused": { group: "connect", severity: "error", title: "Connections are refused", cloudflare: "521", source: `${ERRORS}/error-521/`,
    advice: "Start the origin server, let it listen on this port and address, and let the firewall admit Cloudflare's ranges." },
  "connect-timeout": { group: "connect", severity: "error", title: "No connection is accepted in time", cloudflare: "522", source: `${ERRORS}/error-522/`,
    advice: "Let the firewall admit Cloudflare's ranges; look for overload and a full accept queue." },
  "no-route": { group: "connect", severity: "error", title: "There is no route to the origin server", cloudflare: "523", source: `${ERRORS}/error-523/`,
    advice: "Correct the address in DNS and the routes of the network." },
  "tls-not-spoken": { group: "connect", severity: "error", title: "The port does not speak TLS", cloudflare: "525", source: `${ERRORS}/error-525/`,
    advice: "Serve HTTPS on this port, or use the SSL mode Flexible with http://." },
  "tls-handshake": { group: "connect", severity: "error", title: "The TLS handshake fails", cloudflare: "525", source: `${ERRORS}/error-525/`,
    advice: "Look at certificate, key, protocol versions, ciphers and SNI of the server; client certificates need Authenticated Origin Pulls." },
  "tls-old": { group: "connect", severity: "warning", title: "Only TLS 1.0 or 1.1 is spoken", cloudflare: "525 with a minimum TLS version", source: "RFC 8996",
    advice: "Enable TLS 1.2 and 1.3." },
  gone: { group: "connect", severity: "error", title: "The origin server is gone after a request", cloudflare: "520, then 521", rule: "MC-2", source: `${ERRORS}/error-520/`,
    advice: "One request ends the process: see its log, and handle the error where it arises; a supervisor only shortens the gap." },
  "through-cloudflare": { group: "connect", severity: "warning", title: "Cloudflare answered, not the origin server", cloudflare: null, source: `${PAGES}/fundamentals/reference/http-headers/`,
    advice: "Name the address of the origin server with --resolve host:address; what is said here is about the edge." },

  // Certificate
  "certificate-expired": { group: "certificate", severity: "error", title: "The certificate has expired", cloudflare: "526 with Full (strict)", source: `${ERRORS}/error-526/`,
    advice: "Renew it, and automate that; Cloudflare's Origin CA issues certificates of 15 years." },
  "certificate-not-yet-valid": { group: "certificate", severity: "error", title: "The certificate is not valid yet", cloudflare: "526 with Full (strict)", source: `${ERRORS}/error-526/`,
    advice: "Use one that is valid now, or correct the clock of this machine." },
  "certificate-name": { group: "certificate", severity: "error", title: "The certificate is for other names", cloudflare: "526 with Full (strict)", source: `${ERRORS}/error-526/`,
    advice: "Use a certificate whose subjectAltName has the host name, and choose it by SNI." },
  "certificate-self-signed": { group: "certificate", severity: "warning", title: "The certificate is self-signed", cloudflare: "526 with Full (strict); Full accepts it", source: STRICT,
    advice: "Install a certificate of Cloudflare's Origin CA or of a public CA, and use Full (strict)." },
  "certificate-untrusted": { group: "certificate", severity: "warning", title: "The chain does not lead to a public CA", cloudflare: "526 with Full (strict); Full accepts it", source: STRICT,
    advice: "Send the intermediate certificates along (fullchain.pem), or use a certificate of Cloudflare's Origin CA." },
  "certificate-weak-key": { group: "certificate", severity: "error", title: "The key of the certificate is too short", cloudflare: "526 with Full (strict)", source: "CA/Browser Forum Baseline Requirements, section 6.1.5",
    advice: "Use RSA of 2048 bits or more, or ECDSA P-256." },
  "certificate-expires-soon": { group: "certificate", severity: "info", title: "The certificate expires within 14 days", cloudflare: null, source: `${ERRORS}/error-526/`,
    advice: "See to it that it is renewed in time." },

  // Responses: none at all
  "empty-reply": { group: "messages", severity: "error", title: "The connection is closed without a response", cloudflare: "520", rule: "MC-2", source: `${ERRORS}/error-520/`,
    advice: "Answer every request: look for destroy(), crashes, and handlers that end the socket. rayguard answers in their place." },
  "connection-reset": { group: "messages", severity: "error", title: "The connection is reset without a response", cloudflare: "520", rule: "MC-2", source: `${ERRORS}/error-520/`,
    advice: "Look for crashes, resetAndDestroy() and firewalls that act on Cloudflare's addresses." },
  "no-response": { group: "messages", severity: "error", title: "No response comes in time", cloudflare: "524", rule: "MC-10", source: `${ERRORS}/error-524/`,
    advice: "Answer within the read timeout of the edge, from a deadline if need be; --timeout 125 waits as long as the edge does." },
  "slow-header-section": { group: "messages", severity: "error", title: "The header section does not come to its end in time", cloudflare: "524 or 520", rule: "MC-10", source: `${ERRORS}/error-524/`,
    advice: "Write the header section in one go." },
  // Responses: status line
  "not-http": { group: "messages", severity: "error", title: "What comes is no HTTP/1 response", cloudflare: "520", rule: "MC-1", source: "RFC 9112, section 4",
    advice: "Answer with a status line and a header section; nothing may be written to the socket beside the response." },
  "incomplete-status-line": { group: "messages", severity: "error", title: "The response stops within the status line", cloudflare: "520", rule: "MC-2", source: "RFC 9112, section 4",
    advice: `${GUARD} find what ends the connection while the response is written.` },
  "leading-empty-line": { group: "messages", severity: "error", title: "An empty line stands before the status line", cloudflare: "520 possible", rule: "MC-7", source: "RFC 9112, section 4",
    advice: "Write nothing between two responses." },
  "bad-version": { group: "messages", severity: "error", title: "The status line has no valid HTTP version", cloudflare: "520", rule: "SL-6", source: "RFC 9112, sections 2.3 and 4",
    advice: "Begin with HTTP/1.1 and one space; ICY, HTTP/2.0 or lower case are none." },
  "unsupported-version": { group: "messages", severity: "error", title: "The status line names another HTTP version than 1.0 or 1.1", cloudflare: "520", rule: "SL-6", source: "RFC 9112, section 2.3",
    advice: "Begin with HTTP/1.1; HTTP/2 is negotiated by ALPN and has no status line." },
  "bad-status-code": { group: "messages", severity: "error", title: "The status code is not three digits", cloudflare: "520", rule: "SL-2", source: "RFC 9112, section 4",
    advice: "Send three digits behind one space, 200 to 599." },
  "status-out-of-range": { group: "messages", severity: "error", title: "The status code is none of 100 to 599", cloudflare: STRICTER, rule: "SL-1", source: "RFC 9110, section 15",
    advice: "Use a status from 200 to 599; a Worker in front cannot even pass on others." },
  "bad-reason": { group: "messages", severity: "error", title: "The reason phrase has control octets", cloudflare: "520", rule: "SL-4", source: "RFC 9112, section 4",
    advice: "Leave the reason phrase to Node, or keep it to printable text." },
  "missing-reason-space": { group: "messages", severity: "warning", title: "No space follows the status code", cloudflare: null, rule: "SL-5", source: "RFC 9112, section 4",
    advice: "Write the space even where there is no reason phrase." },
  "no-final-response": { group: "messages", severity: "error", title: "A 1xx status is the last word", cloudflare: "524, 522 or 520", rule: "SL-3", source: "RFC 9110, section 15.2",
    advice: "End with a status from 200 to 599; 100 to 199 only announce it." },
  "interim-in-1.0": { group: "messages", severity: "warning", title: "An HTTP/1.0 client gets a 1xx response", cloudflare: null, rule: "SL-7", source: "RFC 9110, section 15.2",
    advice: "Send interim responses to HTTP/1.1 requests only." },
  "unrequested-switch": { group: "messages", severity: "error", title: "101 answers a request without Upgrade", cloudflare: STRICTER, rule: "SL-8", source: "RFC 9110, section 7.8",
    advice: "Switch protocols only where the request asks for it." },
  "switch-without-upgrade": { group: "messages", severity: "error", title: "101 lacks Upgrade or Connection: upgrade", cloudflare: STRICTER, rule: "SL-9", source: "RFC 9110, section 15.2.2",
    advice: "Let a WebSocket library write the 101 response." },
  // Responses: header section
  "incomplete-header-section": { group: "messages", severity: "error", title: "The header section stops before its end", cloudflare: "520", rule: "MC-4", source: "RFC 9112, sections 2.1 and 8",
    advice: `${GUARD} find what ends the connection while the response is written.` },
  "leading-whitespace-line": { group: "messages", severity: "error", title: "Whitespace leads the first field line", cloudflare: "520", rule: "HF-7", source: "RFC 9112, section 2.2",
    advice: "Let Node write the header section." },
  "folded-line": { group: "messages", severity: "error", title: "A field value is folded over several lines", cloudflare: STRICTER, rule: "HF-5", source: "RFC 9112, section 5.2",
    advice: "Write each value on one line." },
  "missing-colon": { group: "messages", severity: "error", title: "A field line has no colon", cloudflare: "520", rule: "HF-1", source: "RFC 9112, section 5",
    advice: "Let Node write the header section; look for a line break in a value." },
  "bad-field-name": { group: "messages", severity: "error", title: "A field name is no token", cloudflare: "520", rule: "HF-1", source: "RFC 9110, section 5.1",
    advice: "Use letters, digits and hyphens in field names." },
  "space-before-colon": { group: "messages", severity: "error", title: "A space stands before the colon of a field line", cloudflare: STRICTER, rule: "HF-2", source: "RFC 9112, section 5.1",
    advice: "Write the colon right behind the name." },
  "bare-cr": { group: "messages", severity: "error", title: "A field line has CR without LF", cloudflare: "520", rule: "HF-6", source: "RFC 9112, section 2.2",
    advice: "End lines in CRLF, and let no line break into a value: it is how responses are split." },
  "bare-lf": { group: "messages", severity: "error", title: "A line ends in LF without CR", cloudflare: STRICTER, rule: "HF-6", source: "RFC 9112, section 2.2",
    advice: "End lines in CRLF; recipients may refuse anything else." },
  "control-octet": { group: "messages", severity: "error", title: "A field line has a control octet", cloudflare: "520", rule: "HF-4", source: "RFC 9110, section 5.5",
    advice: "Encode or remove the octet before it gets into a field." },
  "surrounding-whitespace": { group: "messages", severity: "warning", title: "Whitespace surrounds the value of a framing field", cloudflare: null, rule: "HF-9", source: "RFC 9110, section 5.5",
    advice: "Write one space before the value and nothing behind it." },
  "repeated-field": { group: "messages", severity: "warning", title: "A field with one value occurs more than once", cloudflare: null, rule: "HF-10", source: "RFC 9110, section 5.3",
    advice: "Send it once: recipients take either value." },
  "missing-date": { group: "messages", severity: "warning", title: "A response has no Date", cloudflare: null, rule: "MD-1", source: "RFC 9110, section 6.6.1",
    advice: "Leave sendDate on: without it the edge cannot tell the age of what it caches." },
  "bad-date": { group: "messages", severity: "warning", title: "Date is no valid date", cloudflare: null, rule: "HF-13", source: "RFC 9110, section 5.6.7",
    advice: "Leave Date to Node: IMF-fixdate, in GMT." },
  "clock-off": { group: "messages", severity: "warning", title: "Date is more than five minutes off", cloudflare: null, source: "RFC 9110, section 6.6.1",
    advice: "Synchronise the clock of the origin server: ages in caches, cookies and signatures depend on it." },
  // Responses: framing
  "bad-content-length": { group: "messages", severity: "error", title: "Content-Length is no number", cloudflare: "520", rule: "FR-2", source: "RFC 9112, section 6.3",
    advice: "Give the number of octets (Buffer.byteLength), or leave the field to Node." },
  "content-length-too-large": { group: "messages", severity: "error", title: "Content-Length is beyond all bounds", cloudflare: "520", rule: "FR-4", source: "RFC 9110, section 8.6",
    advice: "Give the number of octets (Buffer.byteLength), or leave the field to Node." },
  "repeated-content-length": { group: "messages", severity: "error", title: "Content-Length occurs more than once", cloudflare: "520", rule: "FR-3", source: "RFC 9112, section 6.3",
    advice: "Send it once, even where the values are equal." },
  "length-and-transfer-encoding": { group: "messages", severity: "error", title: "Content-Length stands beside Transfer-Encoding", cloudflare: STRICTER, rule: "FR-1", source: "RFC 9112, section 6.2",
    advice: "Send one of them: it is how responses are smuggled. Do not copy framing fields from another server's response." },
  "bad-transfer-encoding": { group: "messages", severity: "error", title: "Transfer-Encoding does not end in chunked", cloudflare: STRICTER, rule: "FR-9", source: "RFC 9112, section 6.1",
    advice: "Use chunked only, once; Content-Encoding is the field for compression." },
  "unrequested-transfer-coding": { group: "messages", severity: "error", title: "A transfer coding was not asked for", cloudflare: STRICTER, rule: "FR-10", source: "RFC 9112, section 7.4",
    advice: "Use chunked only; Content-Encoding is the field for compression." },
  "transfer-encoding-to-1.0": { group: "messages", severity: "error", title: "An HTTP/1.0 client gets chunked content", cloudflare: "none; a proxy in between that speaks HTTP/1.0 answers 502", rule: "FR-8", source: "RFC 9112, section 6.1",
    advice: "Answer HTTP/1.0 with Content-Length, or close behind the content." },
  "framing-field-not-allowed": { group: "messages", severity: "warning", title: "A framing field stands in a response that has no content", cloudflare: null, rule: "FR-5", source: "RFC 9112, section 6.1; RFC 9110, section 8.6",
    advice: "Leave Content-Length and Transfer-Encoding out of 1xx and 204 responses." },
  "incomplete-content": { group: "messages", severity: "error", title: "Content stops before its end", cloudflare: CUT, rule: "MC-5", source: "RFC 9112, sections 6.3 and 8",
    advice: "Send as many octets as Content-Length says, and the last chunk; look for a stream that fails half-way." },
  "incomplete-trailer-section": { group: "messages", severity: "error", title: "The trailer section stops before its end", cloudflare: CUT, rule: "MC-6", source: "RFC 9112, section 7.1",
    advice: "End chunked content with 0, CRLF, the trailers and an empty line." },
  "bad-chunk-size": { group: "messages", severity: "error", title: "A chunk size is no hexadecimal number", cloudflare: CUT, rule: "FR-18", source: "RFC 9112, section 7.1",
    advice: "Let Node write the chunks; nothing else may write to the socket." },
  "bad-chunk-extension": { group: "messages", severity: "error", title: "A chunk extension is malformed", cloudflare: CUT, rule: "FR-18", source: "RFC 9112, section 7.1.1",
    advice: "Write the size and nothing else in front of a chunk." },
  "missing-chunk-end": { group: "messages", severity: "error", title: "The data of a chunk is longer than its size", cloudflare: CUT, rule: "FR-18", source: "RFC 9112, section 7.1",
    advice: "Count octets, not characters; let Node write the chunks." },
  "forbidden-trailer": { group: "messages", severity: "warning", title: "A field is not allowed as a trailer", cloudflare: null, rule: "TR-2", source: "RFC 9110, section 6.5.1",
    advice: "Send it in the header section; Cloudflare drops trailers." },
  "surplus-octets": { group: "messages", severity: "error", title: "Octets follow the end of the message", cloudflare: "truncated 200; 520 for the next request on the connection", rule: "MC-7", source: "RFC 9112, sections 6.3 and 11.1",
    advice: "Let Content-Length count all octets, and write nothing behind end()." },
  "bodiless-content": { group: "messages", severity: "error", title: "204 or 304 has content", cloudflare: "520 for the next request on the connection", rule: "FR-12", source: "RFC 9112, section 6.3",
    advice: "Send no content with 204 and 304; it is taken for the next response." },
  "content-not-allowed": { group: "messages", severity: "error", title: "205 has content", cloudflare: null, rule: "FR-13", source: "RFC 9110, section 15.3.6",
    advice: "Send no content with 205." },
  "head-content": { group: "messages", severity: "error", title: "The response to HEAD has content", cloudflare: "520 for the next request on the connection", rule: "FR-11", source: "RFC 9110, section 9.3.2",
    advice: "Send the header section only; it is taken for the next response." },
  "head-status": { group: "messages", severity: "warning", title: "HEAD gets another status than GET", cloudflare: "health checks and monitors by HEAD fail", source: "RFC 9110, section 9.3.2",
    advice: "Answer HEAD wherever GET is answered." },
  "head-fields": { group: "messages", severity: "warning", title: "HEAD gets other fields than GET", cloudflare: null, source: "RFC 9110, section 9.3.2",
    advice: "Send the header section of GET." },
  "slow-content": { group: "messages", severity: "warning", title: "Content was still coming when time ran out", cloudflare: "524 once nothing comes for the read timeout", source: LIMITS,
    advice: "For a stream, send something every 30 s or so; else see what slows it down, or wait longer with --timeout." },
  "endless-content": { group: "messages", severity: "info", title: "Content was read up to the probe's limit only", cloudflare: null, source: LIMITS,
    advice: "Nothing, if the response is meant to be that large." },
  // Responses: content and status
  "bad-coding": { group: "messages", severity: "error", title: "Content is not in the coding that Content-Encoding names", cloudflare: "502", source: `${ERRORS}/error-502-504/`,
    advice: "Compress once, in one place, and drop the Content-Length of what was compressed." },
  "unaccepted-coding": { group: "messages", severity: "warning", title: "Content-Encoding names a coding that was not accepted", cloudflare: null, source: `RFC 9110, section 12.5.3; ${PAGES}/speed/optimization/content/compression/`,
    advice: "Choose by Accept-Encoding: the edge always sends br, gzip." },
  "unrequested-206": { group: "messages", severity: "error", title: "206 answers a request without Range", cloudflare: "partial content is shown as all of it", rule: "SL-12", source: "RFC 9110, section 15.3.7",
    advice: "Send 200 and all of the content." },
  "unrequested-304": { group: "messages", severity: "error", title: "304 answers an unconditional request", cloudflare: "an empty page", rule: "SL-13", source: "RFC 9110, section 15.4.5",
    advice: "Send 304 only for If-None-Match or If-Modified-Since." },
  "gateway-status": { group: "messages", severity: "error", title: "The origin server's own 502 or 504", cloudflare: "502 or 504, with the content replaced", source: `${ERRORS}/error-502-504/`,
    advice: "Send 500 or 503: their content is passed on." },
  "edge-status": { group: "messages", severity: "error", title: "The origin server's own 520 to 530", cloudflare: "the same; taken for an error of the edge", source: `${ERRORS}/`,
    advice: "Send 500 or 503: statuses from 520 to 530 are Cloudflare's." },
  "server-error": { group: "messages", severity: "warning", title: "The answer is a server error", cloudflare: "passed on", source: `${ERRORS}/error-500/`,
    advice: "See the log of the origin server." },
  "flaky-status": { group: "messages", severity: "warning", title: "The same request gets different statuses", cloudflare: "passed on", source: "RFC 9110, section 9.2.1",
    advice: "See the log for the odd ones: state shared between requests, or one bad process of several." },

  // Limits
  "header-section-too-large": { group: "limits", severity: "error", title: "The header section is over 128 KB", cloudflare: "520", rule: "HF-18", source: LIMITS,
    advice: "Drop or shrink the largest fields: cookies, Link, Content-Security-Policy." },
  "header-section-large": { group: "limits", severity: "warning", title: "The header section is over 32 KB, a quarter of the limit", cloudflare: "520 over 128 KB", rule: "HF-18", source: LIMITS,
    advice: "Shrink the largest fields before they grow; other proxies take 4 to 16 KB." },
  "too-many-fields": { group: "limits", severity: "error", title: "There are more than 256 field lines", cloudflare: "520", rule: "HF-20", source: "https://github.com/cloudflare/pingora: MAX_HEADERS",
    advice: "Send fewer fields; Set-Cookie lines that pile up are the usual cause." },
  "many-fields": { group: "limits", severity: "warning", title: "There are more than 64 field lines, a quarter of the limit", cloudflare: "520 over 256", rule: "HF-20", source: "https://github.com/cloudflare/pingora: MAX_HEADERS",
    advice: "Send fewer fields; other proxies take 64 to 101." },

  // Unusual requests
  "malformed-request-unanswered": { group: "robustness", severity: "error", title: "A malformed request gets no complete answer", cloudflare: "520", rule: "MC-1", source: "RFC 9112, section 2.2",
    advice: "Write a complete 400 response in the clientError listener before the socket ends; rayguard does." },
  "oversized-request-unanswered": { group: "robustness", severity: "error", title: "A request with 64 KB of cookies gets no answer", cloudflare: "520", rule: "MC-1", source: `${LIMITS}; RFC 6585, section 5`,
    advice: "Raise maxHeaderSize to 131072, which is what the edge forwards, and answer 431 beyond; look at the clientError listener." },
  "upgrade-unanswered": { group: "robustness", severity: "error", title: "A request with Upgrade gets no answer", cloudflare: "520 or 524", rule: "MC-1", source: "RFC 9110, section 7.8",
    advice: "Answer upgrades you do not want as ordinary requests, or with 400: an upgrade listener owns the socket." },
  "expect-unanswered": { group: "robustness", severity: "error", title: "A request with Expect: 100-continue gets no answer", cloudflare: "524 or 520", rule: "IR-5", source: "RFC 9110, section 10.1.1",
    advice: "In a checkContinue listener, call writeContinue() or send a final response." },
  "expect-ignored": { group: "robustness", severity: "warning", title: "Expect: 100-continue is not met before the content comes", cloudflare: null, rule: "IR-5", source: "RFC 9110, section 10.1.1",
    advice: "Send 100 (Continue) or a final response at once." },
  "http-1.0-unanswered": { group: "robustness", severity: "error", title: "An HTTP/1.0 request gets no answer", cloudflare: "none; a proxy in between that speaks HTTP/1.0 answers 502", rule: "MC-1", source: "RFC 9110, section 2.5",
    advice: "Answer HTTP/1.0, which nginx speaks to origin servers by default." },

  // Persistent connections
  "keep-alive-off": { group: "reuse", severity: "warning", title: "Connections are closed behind every response", cloudflare: "522 under load", source: `${ERRORS}/error-522/`,
    advice: "Leave persistent connections on: the edge reuses them for up to 900 s." },
  "keep-alive-short": { group: "reuse", severity: "warning", title: "Idle connections are announced to last less than the edge's 900 s", cloudflare: "520 now and then", source: LIMITS,
    advice: "Set keepAliveTimeout above 900 s (rayguard: 905 s), and headersTimeout above that." },
  "idle-close": { group: "reuse", severity: "warning", title: "An idle connection is closed before the edge lets go of it", cloudflare: "520 now and then", source: LIMITS,
    advice: "Set keepAliveTimeout above 900 s (rayguard: 905 s), and headersTimeout above that." },
  "unannounced-close": { group: "reuse", severity: "error", title: "The connection is closed behind a response that does not say so", cloudflare: "next request: 520, where it is on its way already", rule: "CX-1", source: "RFC 9112, section 9.6",
    advice: "Send Connection: close with the last response, or keep the connection open." },
  "reuse-unanswered": { group: "reuse", severity: "error", title: "A later request on the connection gets no answer", cloudflare: "524 or 520", rule: "MC-1", source: "RFC 9112, section 9.3",
    advice: "Answer every request of a connection, not only the first." },
  "not-closed": { group: "reuse", severity: "warning", title: "The connection stays open behind a response that closes it", cloudflare: null, rule: "CX-1", source: "RFC 9112, section 9.6",
    advice: "End the connection where Connection: close, HTTP/1.0 or the framing says so." },
  "pipelining-unanswered": { group: "reuse", severity: "error", title: "Pipelined requests are not all answered", cloudflare: null, rule: "MC-1", source: "RFC 9112, section 9.3.2",
    advice: "Answer each of them, in order; a parser of your own must keep what follows a request." },
  "cross-talk": { group: "reuse", severity: "error", title: "A request gets the response of another one", cloudflare: "another visitor's content", rule: "MC-8", source: "RFC 9112, section 9.3.2",
    advice: "Keep no state of a request in module variables, and answer in the order of the requests." },
  "parallel-failures": { group: "reuse", severity: "error", title: "Requests fail when several come at once", cloudflare: "520, 522 or 524", rule: "MC-1", source: `${ERRORS}/error-520/`,
    advice: "Look at connection limits, pools and locks." },

  // HTTP/2
  "http2-not-spoken": { group: "http2", severity: "error", title: "h2 is offered by ALPN and not spoken", cloudflare: "520", source: `${ERRORS}/error-520/; RFC 9113, section 3.4`,
    advice: "Take h2 off the ALPN list, or serve HTTP/2; it can be switched off in the zone." },
  "http2-settings": { group: "http2", severity: "error", title: "SETTINGS is not acknowledged", cloudflare: "520", source: "RFC 9113, section 6.5.3",
    advice: "Use a maintained HTTP/2 server." },
  "http2-ping": { group: "http2", severity: "error", title: "PING is not answered", cloudflare: "520", source: "RFC 9113, section 6.7",
    advice: "Use a maintained HTTP/2 server." },
  "http2-no-streams": { group: "http2", severity: "error", title: "SETTINGS_MAX_CONCURRENT_STREAMS is 0", cloudflare: "520", source: "RFC 9113, section 6.5.2",
    advice: "Allow 100 streams or more." },
  "http2-goaway": { group: "http2", severity: "error", title: "The connection is ended by GOAWAY with an error", cloudflare: "520", source: "RFC 9113, section 6.8",
    advice: "See the log of the origin server; use a maintained HTTP/2 server." },
  "http2-connection-lost": { group: "http2", severity: "error", title: "The HTTP/2 connection ends with requests unanswered", cloudflare: "520", source: "RFC 9113, section 5.4.1",
    advice: "See the log of the origin server: streams go down with the process." },
  "http2-stream-reset": { group: "http2", severity: "error", title: "A stream is reset instead of answered", cloudflare: "520, or truncated 200", source: "RFC 9113, section 5.4.2",
    advice: "Answer every stream; see the log for the error behind the reset." },
  "http2-malformed": { group: "http2", severity: "error", title: "A response over HTTP/2 is malformed", cloudflare: "520", rule: "HF-16", source: "RFC 9113, sections 8.1.1 and 8.2",
    advice: "Send lower-case names, :status first, no fields of the connection, and as much content as content-length says." },
  "http2-unanswered": { group: "http2", severity: "error", title: "A stream gets no complete answer in time", cloudflare: "524", rule: "MC-10", source: `${ERRORS}/error-524/`,
    advice: "Answer every stream, and end it." },
  "http2-only": { group: "http2", severity: "info", title: "Only HTTP/2 is spoken, no HTTP/1.1", cloudflare: null, source: H2,
    advice: "Allow HTTP/1.1 as well (allowHTTP1): health checks, WebSockets and zones without HTTP/2 to origin need it." },

  // Health endpoint
  "health-missing": { group: "health", severity: "info", title: "There is no health endpoint", cloudflare: null, source: `${PAGES}/health-checks/`,
    advice: "Serve one for health checks; rayguard brings /health." },
  "health-failed": { group: "health", severity: "error", title: "The health endpoint does not answer 200", cloudflare: "the origin counts as down", source: `${PAGES}/health-checks/`,
    advice: "Answer GET and HEAD with 200 on the very path, without a redirect or a login." },
  "health-unhealthy": { group: "health", severity: "warning", title: "The health endpoint says that something is wrong", cloudflare: "a health check counts the origin as down", source: `${PAGES}/health-checks/`,
    advice: "See what it names." },
  "health-cacheable": { group: "health", severity: "warning", title: "The health endpoint may be cached", cloudflare: "a cached answer counts as healthy for up to 2 h", source: `${PAGES}/cache/how-to/configure-cache-status-code/`,
    advice: "Send Cache-Control: no-store." },
  "health-head": { group: "health", severity: "warning", title: "HEAD on the health endpoint differs from GET", cloudflare: "a health check by HEAD fails", source: `${PAGES}/health-checks/`,
    advice: "Answer HEAD as GET." },
  "health-cookie": { group: "health", severity: "warning", title: "The health endpoint sets a cookie", cloudflare: null, source: `${PAGES}/cache/concepts/default-cache-behavior/`,
    advice: "Serve it before session middleware: every check makes a session otherwise." },
  "health-slow": { group: "health", severity: "warning", title: "The health endpoint is slow", cloudflare: "a health check waits 5 s", source: `${PAGES}/health-checks/`,
    advice: "Answer from cached results of the checks, each with a timeout." },

  // Redirects
  "redirect-loop": { group: "redirects", severity: "error", title: "A redirect leads back to itself", cloudflare: "ERR_TOO_MANY_REDIRECTS at the visitor", source: `${PAGES}/ssl/troubleshooting/too-many-redirects/`,
    advice: "Go by X-Forwarded-Proto instead of the scheme of the connection; use Full (strict) instead of Flexible." },
  "https-redirect": { group: "redirects", severity: "warning", title: "http redirects to https although the visitor came by https", cloudflare: "ERR_TOO_MANY_REDIRECTS with SSL mode Flexible", source: `${PAGES}/ssl/troubleshooting/too-many-redirects/`,
    advice: "Use Full (strict), or go by X-Forwarded-Proto." },
  "redirect-without-location": { group: "redirects", severity: "warning", title: "A redirect has no valid Location", cloudflare: null, source: "RFC 9110, section 10.2.2",
    advice: "Send Location with 301, 302, 303, 307 and 308." },

  // Time
  "slow-response": { group: "timing", severity: "warning", title: "The response is slow to start", cloudflare: "524 at the read timeout", rule: "MC-10", source: `${ERRORS}/error-524/`,
    advice: "Answer sooner: start the work, answer 202, and let the client ask; or send the header section early." },

  // This probe
  "not-tested": { group: "probe", severity: "info", title: "Some checks were not made", cloudflare: null, source: "docs/reference/probe.md",
    advice: "Correct what is said above, and run it again." },
} as const satisfies Record<string, Entry>;

export type FindingId = keyof typeof CATALOGUE;
