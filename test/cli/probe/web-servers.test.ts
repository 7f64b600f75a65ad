import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startProxy } from "../../proxies/proxy.js";
import { certificate } from "./broken/certificates.js";
import { probeUrl } from "./run-probe.js";
import { webServers } from "./servers.js";

const folder = await mkdtemp(join(tmpdir(), "rayguard-site-"));
const site = { folder, key: join(folder, "key.pem"), cert: join(folder, "cert.pem") };

beforeAll(async () => {
  const { key, cert } = await certificate({});
  await Promise.all([writeFile(site.key, key), writeFile(site.cert, cert)]);
  await writeFile(join(folder, "index.html"), "<!doctype html><title>page</title><p>hello");
  // Apache serves as somebody else.
  await chmod(folder, 0o755);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What is true of them as they come: Apache closes idle connections after five seconds, and says so. */
const JUSTIFIED = new Map([["Apache", ["keep-alive-short"]]]);

describe.each(webServers(site))("$name as it comes", (kind) => {
  const binary = kind.find();
  const missing = binary === undefined ? ` (skipped: ${kind.name} is missing; ${kind.install})` : "";

  it.skipIf(binary === undefined)(`has no finding that is not true${missing}`, { timeout: 60_000 }, async () => {
    const { ports, stop } = await startProxy(kind, binary ?? "", [0, 0]);
    try {
      const settings = { timeoutMs: 10_000 };
      const [plain, secure] = await Promise.all([
        probeUrl(`http://localhost:${ports[0]}/`, settings),
        probeUrl(`https://localhost:${ports[1]}/`, settings),
      ]);
      const ids = (findings: typeof plain) =>
        findings.filter(({ severity }) => severity !== "info").map(({ id }) => id);
      const justified = JUSTIFIED.get(kind.name) ?? [];
      expect(ids(plain)).toEqual(justified);
      expect(ids(secure)).toEqual(["certificate-self-signed", ...justified]);
      // Each of them offers HTTP/2, and is spoken to.
      expect(secure.map(({ id }) => id)).not.toContain("not-tested");
    } finally {
      await stop();
    }
  });
});
