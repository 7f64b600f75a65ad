import type { ParsedResponse } from "../../parser/response.js";
import { escapeText } from "../../validity/lint/show.js";
import type { Meant } from "./edge-request.js";
import type { Baseline } from "./messages.js";
import { type Origin, originOf } from "./origin.js";
import type { Probe } from "./probe.js";

/** Browsers give up at 20. */
const MOST_HOPS = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** Follows redirects within the host as a visitor would, cookies included, and tells whether they come to an end. */
export async function checkRedirects(probe: Probe, { response }: Baseline): Promise<void> {
  if (!REDIRECTS.has(response.status)) return;
  probe.progress("redirects");
  const start = new URL(`${probe.origin.secure ? "https" : "http"}://${probe.origin.authority}${probe.origin.path}`);
  const cookies = new Map<string, string>();
  const visited = new Set<string>();
  const trail = [start.href];
  let answer: ParsedResponse | undefined = response;
  let at = start;
  while (answer !== undefined && REDIRECTS.has(answer.status)) {
    keepCookies(answer, cookies);
    const state = `${at.href} ${[...cookies].join()}`;
    const next = nextOf(answer, at);
    if (next === undefined || next.hostname !== start.hostname) return;
    if (visited.has(state) || trail.length > MOST_HOPS) {
      addLoop(probe, trail);
      return;
    }
    visited.add(state);
    trail.push(next.href);
    if (isUpgrade(at, next)) {
      const over = await askAt(probe, next, cookies);
      // With Flexible the edge asks over http again, whatever the visitor does.
      if (over === undefined || REDIRECTS.has(over.status)) addLoop(probe, trail);
      else addUpgrade(probe, trail);
      return;
    }
    at = next;
    answer = await askAt(probe, next, cookies);
  }
}

function isUpgrade(from: URL, to: URL): boolean {
  return from.protocol === "http:" && to.protocol === "https:" && from.pathname === to.pathname;
}

/** Asks within the host: where scheme and port are those under test, at the same address. */
async function askAt(probe: Probe, url: URL, cookies: Map<string, string>): Promise<ParsedResponse | undefined> {
  const { origin } = probe;
  const own = originOf(url, []);
  const isSame = own.secure === origin.secure && (url.port === "" || url.host === origin.authority);
  const address: Origin = { ...own, address: origin.address, port: isSame ? origin.port : own.port };
  const list = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  const meant: Meant[] = [{ path: own.path, ...(list === "" ? {} : { fields: [["Cookie", list]] }) }];
  const { responses } = await probe.ask(meant, { origin: address, keepOpenMs: 0 });
  return responses[0]?.status === 0 ? undefined : responses[0];
}

function nextOf(answer: ParsedResponse, at: URL): URL | undefined {
  const location = answer.field("location") ?? "";
  return location !== "" && URL.canParse(location, at.href) ? new URL(location, at.href) : undefined;
}

function keepCookies(answer: ParsedResponse, cookies: Map<string, string>): void {
  for (const line of answer.fieldLines("set-cookie")) {
    const [, name, value] = /^([^=;]+)=([^;]*)/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) cookies.set(name.trim(), value);
  }
}

function addLoop({ findings }: Probe, trail: readonly string[]): void {
  findings.add("redirect-loop", `GET ${escapeText(trail[0] ?? "")}`, shown(trail));
}

function addUpgrade({ findings }: Probe, trail: readonly string[]): void {
  findings.add("https-redirect", `GET ${escapeText(trail[0] ?? "")}`, shown(trail));
}

function shown(trail: readonly string[]): string {
  return `${trail.slice(0, 4).map(escapeText).join(" → ")}${trail.length > 4 ? " → …" : ""}`;
}
