import http2, { type ClientHttp2Session, type IncomingHttpHeaders } from "node:http2";
import { connect } from "node:tls";
import { HOP_BY_HOP } from "../../http/fields.js";
import { type Fields, missingPath } from "./edge-request.js";
import { examine } from "./examine.js";
import { pinged, SessionEvents } from "./http2-session.js";
import { tlsOptions } from "./origin.js";
import type { Probe } from "./probe.js";

/** Streams opened at once. */
const STREAMS = 10;
const MOST_OCTETS = 8 * 1024 * 1024;
const { NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = http2.constants;
const CODE_NAMES = new Map(
  Object.entries(http2.constants).flatMap(([name, value]): [number, string][] =>
    typeof value === "number" &&
    /^NGHTTP2_[A-Z_0-9]+$/.test(name) &&
    !/SETTINGS_M|FLAG|_WEIGHT/.test(name) &&
    value < 14
      ? [[value, name.replace("NGHTTP2_", "")]]
      : [],
  ),
);

/** What one stream brought. */
interface Stream {
  readonly request: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders | undefined;
  readonly content: Buffer;
  readonly ended: boolean;
  readonly timedOut: boolean;
  readonly tooMuch: boolean;
  readonly code: number;
  readonly error: Error | undefined;
}

/** Speaks HTTP/2 as the edge does where the origin server offers it. */
export async function checkHttp2(probe: Probe): Promise<void> {
  probe.progress("HTTP/2");
  const { origin, findings } = probe;
  const events = new SessionEvents();
  const session = http2.connect(`https://${origin.authority}`, {
    createConnection: () => connect({ ...tlsOptions(origin, ["h2"]), host: origin.address, port: origin.port }),
  });
  try {
    events.watch(session);
    if (!(await events.settings(probe.patienceMs))) {
      findings.add("http2-not-spoken", "HTTP/2 connection", events.shown() ?? "No SETTINGS frame came.");
      return;
    }
    if (session.remoteSettings.maxConcurrentStreams === 0) {
      findings.add("http2-no-streams", "HTTP/2 connection", "SETTINGS_MAX_CONCURRENT_STREAMS is 0.");
      return;
    }
    const first = [await ask(probe, session, "GET", origin.path)];
    if (!session.closed && !session.destroyed) {
      if (!(await events.acknowledged(Math.min(probe.patienceMs, 3_000)))) {
        findings.add("http2-settings", "HTTP/2 connection", "No acknowledgement came within 3 s.");
      } else if (!(await pinged(session, Math.min(probe.patienceMs, 3_000)))) {
        findings.add("http2-ping", "HTTP/2 connection", "No answer came within 3 s.");
      }
    }
    const isOpen = !session.closed && !session.destroyed;
    const others = isOpen && first[0]?.ended === true ? await askMany(probe, session) : [];
    const streams = [...first, ...others];
    for (const stream of streams) verdict(probe, stream, events);
    const lost = streams.filter(({ ended, timedOut }) => !ended && !timedOut).length;
    const code = events.goaway ?? NGHTTP2_NO_ERROR;
    if (code !== NGHTTP2_NO_ERROR) findings.add("http2-goaway", "HTTP/2 connection", `GOAWAY with ${nameOf(code)}.`);
    else if (lost > 0 && events.over) {
      const seen = `${lost} of ${streams.length} streams were cut off. ${events.shown() ?? ""}`.trim();
      findings.add("http2-connection-lost", "HTTP/2 connection", seen);
    }
  } finally {
    session.destroy();
  }
}

function askMany(probe: Probe, session: ClientHttp2Session): Promise<Stream[]> {
  const { maxConcurrentStreams = STREAMS } = session.remoteSettings;
  const count = Math.min(STREAMS, Math.max(2, maxConcurrentStreams));
  return Promise.all(
    Array.from({ length: count }, (_, index) => {
      if (index === 0) return ask(probe, session, "HEAD", probe.origin.path);
      return ask(probe, session, "GET", index === 1 ? missingPath() : probe.origin.path);
    }),
  );
}

/** Asks over a stream; whatever happens to it is in the result. */
function ask(probe: Probe, session: ClientHttp2Session, method: string, path: string): Promise<Stream> {
  probe.requests += 1;
  const fields = (probe.fields() as Fields).filter(([name]) => isInHttp2(name.toLowerCase()));
  const request = `${method} ${path} (HTTP/2)`;
  return new Promise((resolve) => {
    const seen = {
      headers: undefined as IncomingHttpHeaders | undefined,
      ended: false,
      timedOut: false,
      tooMuch: false,
    };
    const chunks: Buffer[] = [];
    let octets = 0;
    let error: Error | undefined;
    let done = (_code: number): void => undefined;
    const timer = setTimeout(() => {
      seen.timedOut = true;
      done(0);
    }, probe.patienceMs);
    done = (code) => {
      clearTimeout(timer);
      // Node emits end for a stream that is cut off, too.
      const ended = seen.ended && seen.headers !== undefined && code === NGHTTP2_NO_ERROR;
      resolve({ request, method, ...seen, ended, content: Buffer.concat(chunks), code, error });
    };
    try {
      const stream = session.request({
        ":method": method,
        ":path": path,
        ":authority": probe.origin.authority,
        ...Object.fromEntries(fields),
      });
      stream.on("response", (headers) => {
        seen.headers = headers;
      });
      stream.on("data", (chunk: Buffer) => {
        octets += chunk.length;
        if (octets <= MOST_OCTETS) chunks.push(chunk);
        else {
          seen.tooMuch = true;
          stream.close();
        }
      });
      stream.on("end", () => {
        seen.ended = true;
      });
      stream.on("error", (given: Error) => {
        error = given;
      });
      stream.on("close", () => done(stream.rstCode ?? 0));
      stream.end();
    } catch (thrown) {
      error = thrown as Error;
      done(0);
    }
  });
}

function verdict(probe: Probe, stream: Stream, events: SessionEvents): void {
  const { findings } = probe;
  const { request, headers, code, ended, timedOut, tooMuch, error } = stream;
  if (tooMuch) return findings.add("endless-content", request, "It was given up behind 8 MB.");
  if (timedOut) {
    const isStream = String(headers?.["content-type"] ?? "").startsWith("text/event-stream");
    const seen = headers === undefined ? "Nothing came in time." : "The stream was not ended in time.";
    return findings.add(isStream ? "slow-content" : "http2-unanswered", request, seen);
  }
  if (code !== NGHTTP2_NO_ERROR && code !== NGHTTP2_REFUSED_STREAM && !events.over) {
    // What nghttp2 refuses it resets with PROTOCOL_ERROR, from our side.
    const isOurs =
      code === http2.constants.NGHTTP2_PROTOCOL_ERROR || /PROTOCOL_ERROR|protocol/i.test(error?.message ?? "");
    const after = headers === undefined ? "before a response" : `behind status ${headers[":status"]}`;
    findings.add(isOurs ? "http2-malformed" : "http2-stream-reset", request, `Reset with ${nameOf(code)} ${after}.`);
    return;
  }
  if (headers === undefined || !ended) {
    if (!events.over && error === undefined)
      findings.add("http2-stream-reset", request, "The stream was closed without a response.");
    return;
  }
  const fields = Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith(":") ? [] : [value ?? ""].flat().map((one): [string, string] => [name, one]),
  );
  const octets = fields.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0);
  const status = Number(headers[":status"] ?? 0);
  if (status < 200 || status > 599) findings.add("status-out-of-range", request, `:status is ${status}.`);
  examine(probe, { ...stream, status, fields, complete: true }, octets);
}

/** The authority has a pseudo-header field, and TE is for both protocols. RFC 9113, sections 8.2.2 and 8.3.1. */
function isInHttp2(name: string): boolean {
  return name !== "host" && (name === "te" || !HOP_BY_HOP.has(name));
}

function nameOf(code: number): string {
  return CODE_NAMES.get(code) ?? `code ${code}`;
}
