import type { AddressInfo, Server } from "node:net";
import type { Finding } from "../../../src/cli/probe/findings.js";
import { originOf } from "../../../src/cli/probe/origin.js";
import { Probe, type ProbeSettings } from "../../../src/cli/probe/probe.js";
import { run } from "../../../src/cli/probe/run.js";

const SETTINGS: ProbeSettings = {
  timeoutMs: 800,
  idleMs: 150,
  repeat: 3,
  health: { path: "/health", given: false },
  fields: [],
};

/** What a probe finds at an address. */
export async function probeUrl(url: string, settings: Partial<ProbeSettings> = {}): Promise<Finding[]> {
  const probe = new Probe(originOf(new URL(url), []), { ...SETTINGS, ...settings });
  await run(probe);
  return probe.findings.list();
}

export function urlOf(server: Server, scheme = "http"): string {
  return `${scheme}://localhost:${(server.address() as AddressInfo).port}/`;
}

/** Without findings for information. */
export function told(findings: readonly Finding[]): string[] {
  return findings.filter(({ severity }) => severity !== "info").map(({ id, seen }) => `${id}: ${seen.join(" | ")}`);
}
