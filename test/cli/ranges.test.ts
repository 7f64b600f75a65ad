import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FORMATS, formatRanges, type PublishedRanges } from "../../src/cli/ranges/formats.js";
import { PUBLISHED_RANGES } from "../../src/cloudflare/published-ranges.js";
import { exchange } from "../../src/testing/index.js";
import { MODULES_OF_APACHE } from "../proxies/apache.js";
import { findInPath, type ProxyKind, startProxy } from "../proxies/proxy.js";
import { rayguard } from "./command.js";

const run = promisify(execFile);
const NETWORKS = [...PUBLISHED_RANGES.ipv4, ...PUBLISHED_RANGES.ipv6];

let folder: string;
const undo: (() => unknown)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rayguard-ranges-"));
});
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
  await rm(folder, { recursive: true, force: true });
});

describe("rayguard ranges", () => {
  it.each(FORMATS)("--format %s has every network once, and says of when the list is", async (format) => {
    const { code, out, err } = await rayguard(["ranges", "--format", format]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const lines = out.split("\n").filter((line) => !line.startsWith("#"));
    for (const network of NETWORKS) expect(lines.join("\n").split(network)).toHaveLength(2);
    expect(out).toContain(PUBLISHED_RANGES.date);
    expect(out).toContain(PUBLISHED_RANGES.etag);
  });

  it("prints JSON with --json, and without a format", async () => {
    const { out } = await rayguard(["ranges", "--format", "nginx", "--json"]);
    expect(JSON.parse(out)).toEqual(PUBLISHED_RANGES);
    expect((await rayguard(["ranges"])).out).toBe(out);
  });

  it("names the ports it was given, each once", async () => {
    const { out } = await rayguard([
      "ranges",
      "--format",
      "nftables",
      "--port",
      "8443",
      "--port",
      "443",
      "--port",
      "443",
    ]);
    expect(out).toContain("tcp dport { 8443, 443 } drop");
  });

  it.each([
    [["--format", "caddy"], "Allowed choices are nginx"],
    [["--port", "65536"], 'from 1 to 65535; got "65536"'],
    [["--port", "https"], 'got "https"'],
  ])("ends with 2 for %j", async (args, says) => {
    const { code, out, err } = await rayguard(["ranges", ...args]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(says);
  });
});

/** This machine in the place of the edge, beside networks that are not on it. */
const HERE: PublishedRanges = { ...PUBLISHED_RANGES, ipv4: ["127.0.0.0/25", "198.41.128.0/17"] };
/** Only networks that are not on it. */
const ELSEWHERE: PublishedRanges = PUBLISHED_RANGES;

describe("the formats of web servers", () => {
  const nginx = findInPath("nginx");
  const apache = MODULES_OF_APACHE === undefined ? undefined : findInPath("apache2", "httpd");
  const haproxy = findInPath("haproxy");

  it("nginx refuses who is not the edge, and sees the address of the client", async ({ skip }) => {
    if (nginx === undefined) return skip("needs nginx");
    const seen = await through(nginxKind, nginx, HERE);
    expect(seen).toEqual({ status: 200, client: "203.0.113.9" });
    expect(await through(nginxKind, nginx, ELSEWHERE)).toEqual({ status: 403, client: null });
  });

  it("Apache refuses who is not the edge, and sees the address of the client", async ({ skip }) => {
    if (apache === undefined) return skip("needs Apache");
    expect(await through(apacheKind, apache, HERE)).toEqual({ status: 200, client: "203.0.113.9" });
    expect(await through(apacheKind, apache, ELSEWHERE)).toEqual({ status: 403, client: null });
  });

  it("HAProxy refuses who is not the edge", async ({ skip }) => {
    if (haproxy === undefined) return skip("needs HAProxy");
    expect(await through(haproxyKind, haproxy, HERE)).toMatchObject({ status: 200 });
    expect(await through(haproxyKind, haproxy, ELSEWHERE)).toMatchObject({ status: 403 });
  });

  /** What a request with CF-Connecting-IP gets, and which client the origin server behind is told. */
  async function through(kind: (ranges: PublishedRanges) => ProxyKind, binary: string, ranges: PublishedRanges) {
    const server = createServer((request, response) => response.end(request.headers["x-client"]));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    undo.push(() => server.close());
    const proxy = await startProxy(kind(ranges), binary, [(server.address() as AddressInfo).port]);
    undo.push(() => proxy.stop());
    const [port] = proxy.ports as [number];
    const { responses } = await exchange({ port }, { path: "/", headers: { "CF-Connecting-IP": "203.0.113.9" } });
    const [response] = responses;
    return { status: response?.status, client: response?.status === 200 ? response.text() : null };
  }

  const common = { install: "", reuses: false, find: () => undefined };

  function nginxKind(ranges: PublishedRanges): ProxyKind {
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    return {
      ...common,
      name: "nginx",
      args: (file, at) => ["-p", at, "-c", file, "-e", "stderr"],
      configure: (routes, at) => `daemon off; master_process off; pid ${at}/nginx.pid;
events { worker_connections 64; }
http {
  access_log off;
  ${temporary.map((of) => `${of}_temp_path ${at}/${of};`).join(" ")}
  ${formatRanges("nginx", ranges, [])}
  ${formatRanges("nginx-realip", ranges, [])}
  ${routes
    .map(
      ({ port, origin }) => `server {
    listen 127.0.0.1:${port};
    if ($is_cloudflare = 0) { return 403; }
    location / { proxy_pass http://127.0.0.1:${origin}; proxy_set_header X-Client $remote_addr; }
  }`,
    )
    .join("\n")}
}
`,
    };
  }

  function apacheKind(ranges: PublishedRanges): ProxyKind {
    const modules = ["mpm_event", "unixd", "authz_core", "env", "headers", "remoteip", "proxy", "proxy_http"];
    return {
      ...common,
      name: "Apache",
      args: (file, at) => ["-d", at, "-f", file, "-DFOREGROUND"],
      configure: (routes, at) => `
${modules.map((name) => `<IfModule !${name}_module>\nLoadModule ${name}_module ${MODULES_OF_APACHE}/mod_${name}.so\n</IfModule>`).join("\n")}
${process.getuid?.() === 0 ? "User #65534\nGroup #65534" : ""}
ServerName localhost
DefaultRuntimeDir ${at}
PidFile ${at}/httpd.pid
ErrorLog /dev/stderr
${formatRanges("apache-remoteip", ranges, [])}
<Location "/">
${formatRanges("apache", ranges, [])}
</Location>
RequestHeader set X-Client expr=%{REMOTE_ADDR}
${routes.map(({ port, origin }) => `Listen 127.0.0.1:${port}\n<VirtualHost 127.0.0.1:${port}>\nProxyPass / http://127.0.0.1:${origin}/ retry=0\n</VirtualHost>`).join("\n")}
`,
    };
  }

  function haproxyKind(ranges: PublishedRanges): ProxyKind {
    return {
      ...common,
      name: "HAProxy",
      args: (file) => ["-db", "-f", file],
      configure: (routes) => {
        const list = join(folder, "cloudflare.lst");
        spawnSync("tee", [list], { input: `${formatRanges("haproxy", ranges, [])}\n` });
        return `defaults
  mode http
  timeout connect 2s
  timeout client 5s
  timeout server 5s
${routes.map(({ port, origin }) => `listen proxy${port}\n  bind 127.0.0.1:${port}\n  acl from_edge src -f ${list}\n  http-request deny deny_status 403 unless from_edge\n  server origin 127.0.0.1:${origin}`).join("\n")}
`;
      },
    };
  }
});

describe("the formats of firewalls", () => {
  /** Runs a program in a network of its own, where it can do no harm; undefined where that cannot be. */
  const isolated = async (command: string) => (await run("unshare", ["-n", "sh", "-c", command])).stdout;
  const available = (...programs: string[]) =>
    process.getuid?.() === 0 &&
    spawnSync("unshare", ["-n", "true"]).status === 0 &&
    programs.every((program) => findInPath(program) !== undefined);

  const save = async (format: string) => {
    const file = join(folder, format);
    await writeFile(file, (await rayguard(["ranges", "--format", format, "--port", "8443"])).out);
    return file;
  };

  it("nftables takes the table, twice, with every network in it", async ({ skip }) => {
    if (!available("nft")) return skip("needs root, unshare and nft");
    const file = await save("nftables");
    const listed = await isolated(`nft -c -f ${file} && nft -f ${file} && nft -f ${file} && nft list ruleset`);
    for (const network of NETWORKS) expect(listed).toContain(network);
    expect(listed.match(/chain origin/g)).toHaveLength(1);
  });

  it("nftables lets the edge in and nobody else", async ({ skip }) => {
    if (!available("nft", "ip")) return skip("needs root, unshare, nft and ip");
    const file = await save("nftables");
    // Two networks joined by a cable: a client of the edge and one that is none, and the origin server behind the table.
    const script = `
set -e
ip link set lo up
ip link add out type veth peer name in
ip addr add 173.245.48.1/24 dev in
ip addr add 203.0.113.1/24 dev in
ip link set in up
nft -f ${file}
unshare -n sleep 20 & other=$!
for i in 1 2 3 4 5 6 7 8 9; do ip link set out netns $other 2>/dev/null && break; sleep 0.1; done
ask() { nsenter -t $other -n "$@"; }
ask ip link set lo up
ask ip addr add 173.245.48.2/24 dev out
ask ip addr add 203.0.113.2/24 dev out
ask ip link set out up
node -e '
const server = require("net").createServer((socket) => socket.end("in")).listen(8443, "0.0.0.0", () => {
  const ask = (address) => require("child_process").spawn("nsenter", ["-t", process.argv[1], "-n", process.execPath, "-e",
    "const s = require(\\"net\\").connect(8443, process.argv[1]); s.setTimeout(1500, () => { console.log(process.argv[1], \\"no\\"); process.exit() });" +
    "s.on(\\"data\\", (d) => { console.log(process.argv[1], String(d)); process.exit() })", address], { stdio: "inherit" });
  let left = 2;
  for (const address of ["173.245.48.1", "203.0.113.1"]) ask(address).on("exit", () => { if (--left === 0) process.exit() });
});' $other
kill $other`;
    const lines = (await isolated(script)).trim().split("\n").sort();
    expect(lines).toEqual(["173.245.48.1 in", "203.0.113.1 no"]);
  }, 30_000);

  it("iptables takes the commands, twice, for both families", async ({ skip }) => {
    if (!available("iptables", "ip6tables")) return skip("needs root, unshare and iptables");
    const file = await save("iptables");
    const listed = await isolated(`sh ${file} && sh ${file} && iptables -S && ip6tables -S`);
    for (const network of NETWORKS) expect(listed.split(`-A CLOUDFLARE -s ${network} -j RETURN`)).toHaveLength(2);
    expect(listed.match(/^-A INPUT .*8443 -j CLOUDFLARE$/gm)).toHaveLength(2);
    expect(listed.match(/^-A CLOUDFLARE -j DROP$/gm)).toHaveLength(2);
  });

  it("ufw takes every command", async ({ skip }) => {
    if (process.getuid?.() !== 0 || findInPath("ufw") === undefined) return skip("needs root and ufw");
    const file = await save("ufw");
    const { stdout } = await run("sh", ["-c", `sed 's/^ufw /ufw --dry-run /' ${file} | sh`]);
    expect(stdout.match(/^Rules updated/gm)?.length).toBeGreaterThanOrEqual(NETWORKS.length);
    for (const network of NETWORKS) expect(stdout).toContain(network);
  });
});
