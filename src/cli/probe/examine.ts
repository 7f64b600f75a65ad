import { brotliDecompressSync, gunzipSync, inflateSync } from "node:zlib";
import { EDGE_PROFILES, isEdgeStatus } from "../../cloudflare/edge.js";
import { isBodiless, isGatewayStatus } from "../../http/status.js";
import { escapeText, showField } from "../../validity/lint/show.js";
import type { Probe } from "./probe.js";

/** A response over HTTP/1 or HTTP/2, as far as it could be read. */
export interface Message {
  readonly method: string;
  /** Name of the request, for findings. */
  readonly request: string;
  readonly status: number;
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly content: Buffer;
  readonly complete: boolean;
}

const { maxHeaderSectionOctets, maxFieldLines, idlePoolMs } = EDGE_PROFILES.cloudflare;
/** Part of a limit from which there is a warning. */
const WARN_FROM = 1 / 4;
const CLOCK_TOLERANCE_MS = 5 * 60_000;
const IMF_FIXDATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;
/** Decoded content beyond it is not looked at, in octets. */
const MOST_DECODED = 32 * 1024 * 1024;

/** Looks at what a well-formed response says. `sectionOctets`: size of its header section. */
export function examine(probe: Probe, message: Message, sectionOctets: number): void {
  checkLimits(probe, message, sectionOctets);
  if (message.status === 0) return;
  checkStatus(probe, message);
  checkFields(probe, message);
  if (message.complete) checkCoding(probe, message);
}

export function fieldValue({ fields }: Pick<Message, "fields">, name: string): string | undefined {
  return fields.find(([key]) => key.toLowerCase() === name)?.[1];
}

function checkLimits({ findings }: Probe, { request, fields }: Message, octets: number): void {
  const largest = [...fields].sort((a, b) => b[1].length - a[1].length).slice(0, 3);
  const names = largest.map(([name, value]) => `${escapeText(name)} (${value.length})`).join(", ");
  const seen = `The header section has ${octets} octets; the largest fields are ${names}.`;
  if (octets > maxHeaderSectionOctets) findings.add("header-section-too-large", request, seen);
  else if (octets > maxHeaderSectionOctets * WARN_FROM) findings.add("header-section-large", request, seen);
  const lines = `There are ${fields.length} field lines.`;
  if (fields.length > maxFieldLines) findings.add("too-many-fields", request, lines);
  else if (fields.length > maxFieldLines * WARN_FROM) findings.add("many-fields", request, lines);
}

function checkStatus({ findings, settings }: Probe, message: Message): void {
  const { request, status } = message;
  const asked = new Set(settings.fields.map(([name]) => name.toLowerCase()));
  const isConditional = asked.has("if-none-match") || asked.has("if-modified-since");
  const seen = `The status is ${status}.`;
  if (status === 206 && !asked.has("range")) findings.add("unrequested-206", request, seen);
  if (status === 304 && !isConditional) findings.add("unrequested-304", request, seen);
  if (isGatewayStatus(status)) findings.add("gateway-status", request, seen);
  else if (isEdgeStatus(status)) findings.add("edge-status", request, seen);
  // A health endpoint has findings of its own, and 501 is what an unknown method deserves.
  else if (status >= 500 && status < 600 && status !== 501 && !request.endsWith(` ${settings.health.path}`)) {
    findings.add("server-error", request, seen);
  }
  if ([301, 302, 303, 307, 308].includes(status) && (fieldValue(message, "location") ?? "") === "") {
    findings.add("redirect-without-location", request, `${seen} There is no Location.`);
  }
}

function checkFields({ findings }: Probe, message: Message): void {
  const { request } = message;
  const date = fieldValue(message, "date");
  if (date !== undefined) {
    const off = Date.parse(date) - Date.now();
    if (!IMF_FIXDATE.test(date) || Number.isNaN(off)) findings.add("bad-date", request, showField("Date", date));
    else if (Math.abs(off) > CLOCK_TOLERANCE_MS) {
      findings.add("clock-off", request, `${showField("Date", date)} is ${Math.round(Math.abs(off) / 1_000)} s off.`);
    }
  }
  const timeout = /(?:^|[,;\s])timeout=(\d+)/i.exec(fieldValue(message, "keep-alive") ?? "")?.[1];
  if (timeout !== undefined && Number(timeout) * 1_000 < idlePoolMs) {
    findings.add("keep-alive-short", request, `Keep-Alive: timeout=${timeout}`);
  }
  if (/^cloudflare$/i.test(fieldValue(message, "server") ?? "") && fieldValue(message, "cf-ray") !== undefined) {
    findings.add("through-cloudflare", request, showField("CF-RAY", fieldValue(message, "cf-ray") ?? ""));
  }
}

/** Decodes content in the codings it names, the last one first. */
function checkCoding({ findings, settings }: Probe, message: Message): void {
  const { method, request, status, content } = message;
  const named = (fieldValue(message, "content-encoding") ?? "").toLowerCase();
  const codings = named.split(",").map((coding) => coding.trim());
  if (named === "" || method === "HEAD" || isBodiless(status) || status === 206) return;
  const isOurs = !settings.fields.some(([name]) => name.toLowerCase() === "accept-encoding");
  if (isOurs && codings.some((coding) => !["br", "gzip", "x-gzip", "identity"].includes(coding))) {
    findings.add("unaccepted-coding", request, showField("Content-Encoding", named));
  }
  let octets = content;
  for (const coding of codings.reverse()) {
    const decode = DECODERS[coding];
    if (decode === undefined) return;
    try {
      octets = decode(octets);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") return;
      const seen = `${content.length} octets of ${escapeText(coding)}: ${(error as Error).message}.`;
      findings.add("bad-coding", request, seen);
      return;
    }
  }
}

const BOUND = { maxOutputLength: MOST_DECODED };
const DECODERS: Partial<Record<string, (octets: Buffer) => Buffer>> = {
  gzip: (octets) => gunzipSync(octets, BOUND),
  "x-gzip": (octets) => gunzipSync(octets, BOUND),
  br: (octets) => brotliDecompressSync(octets, BOUND),
  deflate: (octets) => inflateSync(octets, BOUND),
  identity: (octets) => octets,
};
