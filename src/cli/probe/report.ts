import type { Colours } from "../terminal.js";
import { GROUPS, type Severity } from "./catalogue.js";
import type { Finding } from "./findings.js";
import type { Probe } from "./probe.js";

/** What `--json` prints; documented in docs/reference/probe.md. */
export interface Report {
  readonly version: 1;
  readonly url: string;
  /** What was connected to. */
  readonly address: string;
  /** No finding that counts. */
  readonly ok: boolean;
  readonly counts: Readonly<Record<Severity, number>>;
  readonly requests: number;
  readonly ms: number;
  readonly skipped: readonly { readonly check: string; readonly reason: string }[];
  readonly findings: readonly Finding[];
}

export function reportOf(probe: Probe, url: URL, ms: number, strict: boolean): Report {
  const findings = probe.findings.list();
  const count = (severity: Severity) => findings.filter((one) => one.severity === severity).length;
  const counts = { error: count("error"), warning: count("warning"), info: count("info") };
  const { address, port } = probe.origin;
  return {
    version: 1,
    url: url.href,
    address: `${address.includes(":") ? `[${address}]` : address}:${port}`,
    ok: counts.error === 0 && (!strict || counts.warning === 0),
    counts,
    requests: probe.requests,
    ms: Math.round(ms),
    skipped: probe.skipped,
    findings,
  };
}

/** The report for people: findings by group, the worst of a group first. */
export function printed(report: Report, colours: Colours): string {
  const { bold, dim, green, red, yellow } = colours;
  const lines = [`${bold(report.url)} ${dim(`(${report.address})`)}`];
  const paint = { error: red, warning: yellow, info: dim };
  for (const [group, title] of Object.entries(GROUPS)) {
    const own = report.findings.filter((one) => one.group === group);
    if (own.length === 0) continue;
    lines.push("", bold(title));
    const ordered = [...own].sort((a, b) => RANK[a.severity] - RANK[b.severity]);
    for (const finding of ordered) {
      lines.push(
        `  ${paint[finding.severity](finding.severity.padEnd(7))}  ${finding.title} ${dim(`[${finding.id}]`)}`,
      );
      lines.push(...details(finding).map(([name, text]) => `${" ".repeat(11)}${dim(name.padEnd(11))}${text}`));
    }
  }
  const { error, warning, info } = report.counts;
  const sum = `${plural(error, "error")}, ${plural(warning, "warning")}, ${info} for information`;
  const effort = dim(`${plural(report.requests, "request")} in ${(report.ms / 1_000).toFixed(1)} s`);
  lines.push("", `${report.ok ? green("ok") : red("not ok")}  ${sum}  ${effort}`);
  return lines.join("\n");
}

const RANK = { error: 0, warning: 1, info: 2 } as const;

function details({ seen, requests, times, cloudflare, advice, source, rule }: Finding): [string, string][] {
  const shown = requests.slice(0, 3).join(", ");
  const more = requests.length > 3 ? ", …" : "";
  return [
    ...seen.map((text, index): [string, string] => [index === 0 ? "seen" : "", text]),
    ["with", `${shown}${more}${times > 1 ? ` (${times} times)` : ""}`],
    ...(cloudflare === null ? [] : [["Cloudflare", cloudflare] as [string, string]]),
    ["change", advice],
    ["source", rule === null ? source : `${source}; rule ${rule}`],
  ];
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
