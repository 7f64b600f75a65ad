import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pc from "picocolors";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { run as runCommand } from "../../src/cli/program.js";
import { RANGE_FORMATS } from "../../src/cli/ranges/index.js";
import { PUBLISHED_RANGES } from "../../src/cloudflare/published-ranges.js";
import { adoptRanges, currentRanges, type Ranges } from "../../src/cloudflare/ranges.js";
import { exchange } from "../../src/testing/index.js";
import { apacheModules } from "../proxies/apache.js";
import { findInPath, type ProxyKind, startProxy } from "../proxies/proxy.js";

const run = promisify(execFile);

const write = (format: string, ranges: Ranges, ports: readonly number[] = []) =>
  RANGE_FORMATS[format]?.(ranges, { ports }) ?? "";

let folder: string;
const undo: (() => unknown)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rayguard-ranges-"));
});
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
  await rm(folder, { recursive: true, force: true });
});

/** This machine in the place of the edge, beside networks that are not on it. */
const HERE: Ranges = { ...PUBLISHED_RANGES, ipv4: ["127.0.0.0/25", "198.41.128.0/17"] };
/** Only networks that are not on it. */
const ELSEWHERE: Ranges = PUBLISHED_RANGES;

describe("a web server with the ranges", () => {
  const nginx = findInPath("nginx");
  const apache = apacheModules() === undefined ? undefined : findInPath("apache2", "httpd");
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
  async function through(kind: (ranges: Ranges) => ProxyKind, binary: string, ranges: Ranges) {
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

  function nginxKind(ranges: Ranges): ProxyKind {
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
  ${write("nginx", ranges)}
  ${write("nginx-realip", ranges)}
  ${routes
    .map(
      ({ port, origin }) => `server {
    listen 127.0.0.1:${port};
    if ($rayguard_edge = 0) { return 403; }
    location / { proxy_pass http://127.0.0.1:${origin}; proxy_set_header X-Client $remote_addr; }
  }`,
    )
    .join("\n")}
}
`,
    };
  }

  function apacheKind(ranges: Ranges): ProxyKind {
    const modules = ["mpm_event", "unixd", "authz_core", "env", "headers", "remoteip", "proxy", "proxy_http"];
    return {
      ...common,
      name: "Apache",
      args: (file, at) => ["-d", at, "-f", file, "-DFOREGROUND"],
      configure: (routes, at) => `
${modules.map((name) => `<IfModule !${name}_module>\nLoadModule ${name}_module ${apacheModules()}/mod_${name}.so\n</IfModule>`).join("\n")}
${process.getuid?.() === 0 ? "User #65534\nGroup #65534" : ""}
ServerName localhost
DefaultRuntimeDir ${at}
PidFile ${at}/httpd.pid
ErrorLog /dev/stderr
${write("apache", ranges)}
<Location "/">
Require rayguard-edge
</Location>
RequestHeader set X-Client expr=%{REMOTE_ADDR}
${routes.map(({ port, origin }) => `Listen 127.0.0.1:${port}\n<VirtualHost 127.0.0.1:${port}>\nProxyPass / http://127.0.0.1:${origin}/ retry=0\n</VirtualHost>`).join("\n")}
`,
    };
  }

  function haproxyKind(ranges: Ranges): ProxyKind {
    return {
      ...common,
      name: "HAProxy",
      args: (file) => ["-db", "-f", file],
      configure: (routes) => {
        const list = join(folder, "cloudflare.lst");
        spawnSync("tee", [list], { input: write("haproxy", ranges) });
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

describe("nftables with the ranges", () => {
  /** Runs commands in a network of their own, where they can do no harm. */
  const isolated = async (command: string) => (await run("unshare", ["-n", "sh", "-c", command])).stdout;
  const available = (...programs: string[]) =>
    process.getuid?.() === 0 &&
    spawnSync("unshare", ["-n", "true"]).status === 0 &&
    programs.every((program) => findInPath(program) !== undefined);

  it("lets the edge in and nobody else", async ({ skip }) => {
    if (!available("nft", "ip")) return skip("needs root, unshare, nft and ip");
    const file = join(folder, "nftables");
    await writeFile(file, write("nftables", PUBLISHED_RANGES, [8443]));
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
trap 'kill $other' EXIT
until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.05; done
ip link set out netns $other
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
});' $other`;
    const lines = (await isolated(script)).trim().split("\n").sort();
    expect(lines).toEqual(["173.245.48.1 in", "203.0.113.1 no"]);
  }, 30_000);
});

describe("rayguard ranges --refresh", () => {
  it("writes the list that Cloudflare publishes now", async () => {
    const before = currentRanges();
    const body = {
      success: true,
      result: { etag: "e".repeat(32), ipv4_cidrs: ["104.16.0.0/13"], ipv6_cidrs: ["2606:4700::/32"] },
    };
    const server = createServer((_request, response) => response.end(JSON.stringify(body)));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { fetch } = globalThis;
    undo.push(
      () => server.close(),
      () => adoptRanges(before),
      () => Object.assign(globalThis, { fetch }),
    );
    const asked: string[] = [];
    // The one thing that is not real: where the address leads to.
    globalThis.fetch = (input, init) => {
      asked.push(String(input));
      return fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, init);
    };
    const out: string[] = [];
    const terminal = { out: (text: string) => out.push(text), err: () => {}, colours: pc.createColors(false), env: {} };
    expect(await runCommand(["ranges", "--refresh", "--format", "haproxy"], terminal as never, "0")).toBe(0);
    expect(asked).toEqual(["https://api.cloudflare.com/client/v4/ips"]);
    expect(out.join("\n").split("\n").slice(-2)).toEqual(["104.16.0.0/13", "2606:4700::/32"]);
  });
});
