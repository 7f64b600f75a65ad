import { GUARDED_ABOUT_FORGED } from "../../causes/process.js";

/** What a newcomer needs to know of a cause: what happens, what the guard does, what to look for and to change. */
export interface Explanation {
  readonly what: string;
  readonly guard: string;
  readonly steps: readonly string[];
}

// Taken together: whoever debugs one of these looks in the same places.
const SOCKET_STEPS = [
  "Search for socket.end(), socket.destroy() and res.socket in the app and its middleware.",
  "Answer with an error status through the response object instead of closing.",
];
const RAW_STEPS = [
  "Search for writes to res.socket or req.socket, and for proxies that copy octets of another server.",
  "Answer through res.writeHead() and res.end(): Node then frames the message.",
];

export const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  empty: {
    what: "The app closes the connection without writing a single octet. The edge asked, and got an empty reply.",
    guard: "Sees the close while nothing has been committed, and sends a complete 500 in its place.",
    steps: SOCKET_STEPS,
  },
  dropped: {
    what: "The connection is reset (RST) before a response. A crash, a firewall or socket.destroy() looks like this.",
    guard: "Answers a complete 500 first; the connection ends after it.",
    steps: [...SOCKET_STEPS, "Where no code does it, look for a security plug-in that drops Cloudflare's addresses."],
  },
  "premature-close": {
    what: "The header section promises 1000 octets; the app destroys the response after sixteen.",
    guard: "Holds the first part back for a moment, so that a whole 500 can still go out instead of half a 200.",
    steps: [
      "Look for res.destroy() and for timeouts that end a response under way.",
      "Compare Content-Length with what the source really has.",
    ],
  },
  idle: {
    what: "The origin server closes an idle connection just as the edge sends the next request on it: a race nobody wins.",
    guard: "Raises keepAliveTimeout above the edge's 900 s, so that the edge is always the one that closes.",
    steps: [
      "Set keepAliveTimeout above 900 s, and headersTimeout above that.",
      "In Logpush, OriginTCPHandshakeDurationMs = 0 marks a reused connection.",
    ],
  },
  upgrade: {
    what: "The client asks for a WebSocket; the upgrade listener destroys the socket without a word.",
    guard: "Sends a complete 500 before the socket goes.",
    steps: [
      "Answer refused upgrades: socket.end('HTTP/1.1 403 Forbidden\\r\\nConnection: close\\r\\n\\r\\n').",
      "Leave out the upgrade listener where there are no WebSockets.",
    ],
  },
  expect: {
    what: "The client sends Expect: 100-continue and waits; a checkContinue listener never says yes or no.",
    guard: "Answers 503 at the deadline, before the edge gives up with 524.",
    steps: ["Call response.writeContinue() and handle the request, or remove the listener: Node does both by itself."],
  },
  "request-head": {
    what: "Cookies of 20 kB: over Node's 16 KiB, under the edge's 128 KB. A clientError listener then destroys the socket.",
    guard: "Answers a complete 431 that names the problem.",
    steps: [
      "Raise --max-http-header-size up to the edge's 128 KB.",
      "Let no clientError listener close without an answer.",
      "Shrink the cookies: old ones pile up.",
    ],
  },
  malformed: {
    what: "Plain text goes to the socket where a status line belongs.",
    guard:
      "Keeps what is written to the socket until it is a whole valid response; this is none, so a 500 takes its place.",
    steps: RAW_STEPS,
  },
  "other-protocol": {
    what: "The origin server starts to speak HTTP/2 on a connection that asked in HTTP/1.1.",
    guard: "Recognises that this is no HTTP/1.1 response, and sends a complete 500.",
    steps: [
      "Check which protocol the port speaks, and what TLS announces by ALPN.",
      "In Cloudflare, switch HTTP/2 to origin off to tell whether it is the reason.",
    ],
  },
  "missing-colon": {
    what: "One line of the header section has no colon: the whole message is unreadable to a strict parser.",
    guard: "Parses the octets before they leave, and replaces them by a complete 500.",
    steps: RAW_STEPS,
  },
  "bad-name": {
    what: "A field name has a space in it. Lenient servers let it through, edges refuse the response.",
    guard: "Parses the octets before they leave, and replaces them by a complete 500.",
    steps: [...RAW_STEPS, "Take no field names from users or from other systems unchecked."],
  },
  "bad-value": {
    what: "A carriage return gets into a field value after Node has checked it: response splitting, or a 520.",
    guard: "Checks the header section as it is rendered, and repairs the one value; the rest of the 200 goes out.",
    steps: [
      "Never change an array after giving it to setHeader().",
      "Strip CR and LF from values that come from outside.",
    ],
  },
  "header-limit": {
    what: "150 kB of Set-Cookie. The edge takes 128 KB of response headers and not an octet more.",
    guard:
      "Measures the header section before it leaves, replaces it by a 500, and names the largest fields in the log.",
    steps: [
      "Read the incident: it names the fields and their sizes.",
      "Keep sessions on the server; trim Link preload lists and CSP.",
    ],
  },
  interim: {
    what: "103 Early Hints, and then nothing: an interim response is never the last word.",
    guard: "Knows that a final response is owed, and sends a 500.",
    steps: ["Use response.writeEarlyHints() for hints, then answer with a status of 200 or above."],
  },
  "length-too-large": {
    what: "Content-Length says 1000, the content has 12 octets. The edge waits for the rest until its patience ends.",
    guard: "Counts what the app writes; at end() it sees that octets are missing and sends a 500 instead.",
    steps: [
      "Compute the length with Buffer.byteLength(), not with string.length.",
      "Compress before setting the length, or leave it out.",
    ],
  },
  "length-too-small": {
    what: "Content-Length says 4, the app writes 21 octets. The rest would be read as the start of the next response.",
    guard: "Sees more octets than promised while nothing is out, and replaces the response.",
    steps: [
      "Compute the length with Buffer.byteLength(): characters are not octets.",
      "Remove Content-Length in middleware that changes the content.",
    ],
  },
  "length-twice": {
    what: "Content-Length stands there twice. Even where both say the same, a strict edge refuses it (request smuggling).",
    guard: "Both say the same: one is removed, and the 200 goes out.",
    steps: [
      "Look for middleware or a proxy that copies fields into arrays.",
      "Use setHeader(), which replaces, rather than appendHeader().",
    ],
  },
  "no-answer": {
    what: "The handler never answers. The edge waits for its read timeout (125 s; 2.5 s here) and shows 524.",
    guard: "Has a deadline below the edge's: a complete 503 with Retry-After, and req.rayguard.signal aborts.",
    steps: [
      "Give every call to a database or another server a timeout of its own.",
      "Look for code paths that return without answering.",
      "Pass req.rayguard.signal on to fetch() and queries.",
    ],
  },
  throw: {
    what: "The handler writes, then throws. The framework can no longer send an error page and cuts the connection.",
    guard: "What was written is still held back: it is dropped, and a whole 500 goes out.",
    steps: ["Read err in the incident: it is the exception.", "Fetch everything first, write afterwards."],
  },
  reject: {
    what: "The same, asynchronously: the promise rejects after the first write. On node:http the process dies of it.",
    guard: "What was written is still held back: it is dropped, and a whole 500 goes out.",
    steps: ["Read err in the incident.", "await and catch in handlers; a rejection nobody awaits ends the process."],
  },
  "stream-early": {
    what: "A stream fails before its first octet; pipeline() destroys the response, and nothing was ever sent.",
    guard: "Nothing is committed: a complete 500 goes out.",
    steps: [
      "Open the source before answering: await once(stream, 'readable').",
      "Handle the error in the callback of pipeline().",
    ],
  },
  "stream-midway": {
    what: "The source fails after 20 kB. pipe() does not pass the error on, and the response hangs half-way until the edge's patience ends.",
    guard:
      "Watches the source of a pipe(). What was written is still held back: it is dropped, and a whole 500 goes out.",
    steps: ["Use pipeline() instead of pipe().", "Read err in the incident: it is the error of the source."],
  },
  "stream-late": {
    what: "The source fails when 200 kB are with the visitor: a status of 200 has been passed on, and no edge can show a 520 any more. pipe() does not pass the error on, and the response hangs half-way.",
    guard:
      "Nothing can replace what is out. The guard cuts the connection at once, so that nobody takes the part for the whole, and logs why.",
    steps: ["Use pipeline() instead of pipe().", "Raise holdBackOctets on routes whose content fits into memory."],
  },
  "two-answers": {
    what: "end() twice. On some stacks the second one throws where nobody catches it: the process dies, and with it a request of somebody else.",
    guard: "The first answer goes out, the second is ignored and logged, the process lives on.",
    steps: ["return after every answer.", "Look at the stack in the incident: it points at the second answer."],
  },
  "late-error": {
    what: "An error after the answer is out, or clean-up code that destroys the socket: it hits the next request on the connection.",
    guard: "The answer goes out unharmed, the next request is answered, the error is logged.",
    steps: [
      "Catch errors of work that goes on after the answer.",
      "Never destroy a keep-alive socket at the end of a request.",
    ],
  },
  crash: {
    what: "An exception in a callback ends the process. Every request in flight gets a 520, not only the one to blame.",
    guard:
      "The request to blame gets a 500, the others finish, new ones get a 503, then the process exits with code 1.",
    steps: [
      "Read the stack on stderr.",
      "Wrap callbacks, or use promises, so that errors reach the framework.",
      "Let a process manager restart it.",
    ],
  },
  deploy: {
    what: "SIGTERM ends the process at once: four requests under way are lost, and so is the one that comes just after.",
    guard: "Fails readiness, serves who is there and who still comes, closes in a quiet moment, and only then exits.",
    steps: [
      "Send SIGTERM, never SIGKILL, and wait at least graceMs.",
      "Set lameDuckMs to the interval of the load balancer's health check.",
      "Start node itself, not through npm or a shell that swallows signals.",
    ],
  },
  overload: {
    what: "More requests than the pool behind the app can serve: the queue grows until the edge's patience ends, for everybody.",
    guard:
      "Takes what it can serve in time and refuses the rest at once: a complete 503 with Retry-After, and health says overloaded.",
    steps: [
      "Set overload.maxInFlight near what the database serves in parallel.",
      "Watch inFlight and shed in guard.stats().",
      "Give pools a timeout for waiting.",
    ],
  },
  spoofed: {
    what: "Somebody goes around the edge, straight to the origin server, and writes CF-Connecting-IP himself. The app believes it.",
    guard: GUARDED_ABOUT_FORGED.sentence,
    steps: [
      "Let the firewall admit Cloudflare's addresses only, or use a Tunnel.",
      "Look at req.rayguard.verified before trusting clientIp for limits, bans or logins.",
    ],
  },
};
