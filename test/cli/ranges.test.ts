import { spawnSync } from "node:child_process";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RANGE_FORMATS } from "../../src/cli/ranges/index.js";
import { PUBLISHED_RANGES } from "../../src/cloudflare/published-ranges.js";
import { findInPath } from "../proxies/proxy.js";
import { rayguard } from "./command.js";

const ALL = [...PUBLISHED_RANGES.ipv4, ...PUBLISHED_RANGES.ipv6];

const ENV = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rayguard-ranges-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("rayguard ranges", () => {
  it.each(Object.keys(RANGE_FORMATS))(
    "writes every range as %s, with the date and the etag of the list",
    async (format) => {
      const { code, out, err } = await rayguard(["ranges", "--format", format]);
      expect({ code, err }).toEqual({ code: 0, err: "" });
      for (const range of ALL)
        expect(out.split(new RegExp(`[\\s"']${range.replaceAll(".", "\\.")}[\\s"',;]`))).toHaveLength(
          format === "apache" ? 3 : 2,
        ); // real IP and allow-list
      expect(out).toContain(PUBLISHED_RANGES.date);
      expect(out).toContain(PUBLISHED_RANGES.etag);
    },
  );

  it("writes JSON for --json as for --format json", async () => {
    const { out } = await rayguard(["ranges", "--json"]);
    expect(JSON.parse(out)).toEqual(PUBLISHED_RANGES);
    expect((await rayguard(["ranges", "--format", "json"])).out).toBe(out);
  });

  it("takes --port in place of 80 and 443, as often as it is given", async () => {
    const { out } = await rayguard([
      "ranges",
      "--format",
      "nftables",
      "--port",
      "8443",
      "--port",
      "2053",
      "--port",
      "8443",
    ]);
    expect(out).toContain("elements = { 8443, 2053 }");
  });

  it.each([
    ["no format", [], "--format: nginx, nginx-realip"],
    ["an unknown format", ["--format", "caddy"], "Allowed choices are nginx, nginx-realip"],
    ["two formats", ["--json", "--format", "ufw"], "two different things"],
    ["a port that is none", ["--format", "ufw", "--port", "https"], 'got "https"'],
    ["port 0", ["--format", "ufw", "--port", "0"], 'got "0"'],
  ])("ends with 2 for %s", async (_, args, says) => {
    const { code, out, err } = await rayguard(["ranges", ...args]);
    expect(err).toContain(says);
    expect({ code, out }).toEqual({ code: 2, out: "" });
  });

  it("replaces the file of --output, keeps its mode and leaves nothing else", async () => {
    const file = join(folder, "list");
    await writeFile(file, "old");
    await chmod(file, 0o600);
    const { code, out } = await rayguard(["ranges", "--format", "haproxy", "--output", file]);
    expect({ code, out }).toEqual({ code: 0, out: "" });
    expect(await readFile(file, "utf8")).toBe((await rayguard(["ranges", "--format", "haproxy"])).out);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(["list"]);
  });

  it("ends with 2 and the reason where --output cannot be written", async () => {
    const { code, err } = await rayguard(["ranges", "--json", "--output", join(folder, "none", "list")]);
    expect(err).toContain("Cannot write");
    expect(err).toContain("ENOENT");
    expect(code).toBe(2);
  });
});

/** A network of its own, in which firewall rules harm nobody; takes root or user namespaces. */
const NETWORK = ["unshare", "--user", "--map-root-user", "--net"];
const hasNetwork = spawnSync("unshare", [...NETWORK.slice(1), "true"]).status === 0;

for (const [format, program, script, shows] of [
  ["nftables", "nft", "nft -f $FILE && nft -f $FILE && nft list ruleset", "tcp dport @ports ip6 saddr @edge6 accept"],
  [
    "iptables",
    "iptables-restore",
    "sh $FILE && sh $FILE && iptables -S && ip6tables -S",
    "-A RAYGUARD -s 2400:cb00::/32 -j RETURN",
  ],
] as const) {
  const why =
    findInPath(program) === undefined
      ? `no ${program} here; to have it tested: apt-get install ${format}`
      : !hasNetwork
        ? "no network namespaces here"
        : "";
  const missing = why || cannotLoad(program);
  if (missing) console.warn(`test/cli/ranges: ${format} skipped, ${missing}`);

  it.skipIf(missing)(`${program} takes what is written for it, twice with the same result`, async () => {
    const file = join(folder, format);
    await rayguard(["ranges", "--format", format, "--port", "443", "--output", file]);
    const ran = inNetwork(script, file);
    expect(ran.stderr).not.toMatch(/error/i);
    expect(ran.status).toBe(0);
    expect(ran.stdout).toContain(shows);
    for (const range of ALL) expect(ran.stdout, range).toContain(range);
    expect(ran.stdout.match(/-A INPUT|hook input/g)).toHaveLength(format === "iptables" ? 2 : 1);
  });
}

const hasUfw = findInPath("ufw") !== undefined && process.getuid?.() === 0;
if (!hasUfw) console.warn("test/cli/ranges: ufw skipped, it takes root and: apt-get install ufw");
it.skipIf(!hasUfw)("ufw takes what is written for it", { timeout: 60_000 }, async () => {
  const { out } = await rayguard(["ranges", "--format", "ufw", "--port", "443"]);
  const ran = spawnSync("sh", [], { input: out.replaceAll(/^ufw/gm, "ufw --dry-run"), encoding: "utf8", env: ENV });
  expect(ran.stderr).not.toMatch(/ERROR/);
  expect(ran.status).toBe(0);
  expect(ran.stdout.split("dport 443").length).toBeGreaterThan(ALL.length);
});

/** Why the kernel cannot take any rule of the program, or "". */
function cannotLoad(program: string): string {
  const command = program === "nft" ? "nft add table inet t" : "iptables -N T && ip6tables -N T";
  const ran = inNetwork(command, "");
  return ran.status === 0 ? "" : `${program} cannot be used here: ${ran.stderr.trim()}`;
}

function inNetwork(command: string, file: string) {
  return spawnSync(NETWORK[0] as string, [...NETWORK.slice(1), "sh", "-c", command], {
    encoding: "utf8",
    env: { ...ENV, FILE: file },
  });
}
