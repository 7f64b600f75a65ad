import { createSocket } from "node:dgram";
import { once } from "node:events";
import { appendFileSync, existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { exchange } from "../../src/testing/index.js";
import { textOf } from "../documents/documents.js";
import { apachePersistent } from "../proxies/apache.js";
import { haproxy } from "../proxies/haproxy.js";
import { nginxPersistent } from "../proxies/nginx.js";
import { type ProxyKind, type Route, startProxy } from "../proxies/proxy.js";
import { rayguard } from "./command.js";

let directory: string;
let origin: Server;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "rayguard-explain-proxies-"));
  origin = createServer((request, response) => {
    if (request.url === "/drop") response.destroy();
    else if (request.url?.startsWith("/fine")) response.end("fine");
  }).listen(0, "127.0.0.1");
  await once(origin, "listening");
});
afterAll(async () => {
  origin.close();
  origin.closeAllConnections();
  await rm(directory, { recursive: true });
});

const PAGE = textOf("docs/reference/explain.md");

/** What the page says in code, that begins so. */
const quoted = (beginning: string) => PAGE.split(/[`\n]/).find((each) => each.startsWith(beginning)) ?? "";

const FORMATS = {
  combined: (/^log_format [^;]*;/m.exec(PAGE)?.[0] ?? "").replace("ray", "own"),
  "key=value":
    'log_format own \'time=$time_iso8601 method=$request_method uri="$request_uri" status=$status bytes=$body_bytes_sent request_time=$request_time upstream_status="$upstream_status" cf_ray=$http_cf_ray ua="$http_user_agent"\';',
  JSON: 'log_format own escape=json \'{"time":"$time_iso8601","remote_addr":"$remote_addr","request":"$request","status":"$status","body_bytes_sent":"$body_bytes_sent","request_time":"$request_time","upstream_status":"$upstream_status","cf_ray":"$http_cf_ray"}\';',
} as const;

const inFront = (kind: ProxyKind, change: (text: string, folder: string) => string): ProxyKind => ({
  ...kind,
  configure: (routes: readonly Route[], folder: string) => change(kind.configure(routes, folder), folder),
});

/** Behind the name of a test: why it is skipped. */
const skipped = (kind: ProxyKind) =>
  kind.find() === undefined ? ` (skipped: ${kind.name} is missing; ${kind.install})` : "";

/** Sends one request through a proxy for each path, and waits until its log has them. */
async function through(kind: ProxyKind, log: string, rays: Readonly<Record<string, string>>): Promise<void> {
  const proxy = await startProxy(kind, kind.find() as string, [(origin.address() as AddressInfo).port]);
  try {
    for (const [path, ray] of Object.entries(rays)) {
      const headers = { "CF-RAY": `${ray}-SJC`, "User-Agent": 'a "quoted" agent', Connection: "close" };
      await exchange(`http://127.0.0.1:${proxy.ports[0]}${path}`, { headers }, { timeoutMs: 8_000 });
    }
    await vi.waitFor(
      async () => {
        const text = await readFile(log, "utf8");
        for (const ray of Object.values(rays)) expect(text).toContain(ray);
      },
      { timeout: 5_000 },
    );
  } finally {
    await proxy.stop();
  }
}

async function explain(ray: string, ...files: string[]) {
  const { code, out, err } = await rayguard(["explain", ray, ...files, "--json"]);
  expect(err).toBe("");
  const { verdict, access, proxyErrors, files: coverage } = JSON.parse(out);
  return { code, verdict, access, proxyErrors, coverage };
}

const RAYS = { "/fine": "230b030023ae0001", "/drop": "230b030023ae0002", "/slow": "230b030023ae0003" };

const ofNginx = describe.skipIf(nginxPersistent.find() === undefined);

ofNginx.each(Object.entries(FORMATS))(`the log of a real nginx, %s${skipped(nginxPersistent)}`, (format, directive) => {
  let access: string;
  let errors: string;

  beforeAll(async () => {
    access = join(directory, `${format}.access.log`);
    errors = join(directory, `${format}.error.log`);
    const kind = inFront(nginxPersistent, (text) =>
      text.replace("access_log off;", `${directive} access_log ${access} own; error_log ${errors} info;`),
    );
    await through(kind, access, RAYS);
  }, 30_000);

  it("tells a response that went through", async () => {
    const { code, verdict, access: seen } = await explain(RAYS["/fine"], access, errors);
    expect(seen).toMatchObject([{ format, status: 200, upstreamStatus: 200, octets: 4 }]);
    expect(seen[0].request).toMatch(/^GET \/fine/);
    expect(seen[0].ms).toBeLessThan(1_000);
    expect({ shown: verdict.shown, code }).toEqual({ shown: "none", code: 0 });
  });

  it("tells an app that closed the connection, and one that did not answer in time", async () => {
    const dropped = await explain(RAYS["/drop"], access, errors);
    expect({ shown: dropped.verdict.shown, code: dropped.code }).toEqual({ shown: "502", code: 1 });
    const late = await explain(RAYS["/slow"], access, errors);
    expect({ shown: late.verdict.shown, code: late.code }).toEqual({ shown: "504", code: 1 });
    expect(late.access[0].ms).toBeGreaterThan(1_900);
  });

  it("finds the line of the error log that belongs to it, which names no Ray", async () => {
    const { proxyErrors, coverage } = await explain(RAYS["/drop"], access, errors);
    expect(proxyErrors).toMatchObject([{ message: expect.stringContaining("prematurely closed"), file: errors }]);
    expect(coverage).toMatchObject([{ skipped: 0 }, { skipped: 0 }]);
    const { out } = await rayguard(["explain", RAYS["/drop"], access, errors]);
    expect(out).toContain("The reverse proxy says why: the app closed the connection before its response was complete");
  });
});

const ofHaproxy = describe.skipIf(haproxy.find() === undefined);

ofHaproxy(`the log of a real HAProxy with CF-Ray captured${skipped(haproxy)}`, () => {
  it("tells what its termination state means", async () => {
    const log = join(directory, "haproxy.log");
    const socket = createSocket("udp4").on("message", (message) => appendFileSync(log, `${message}\n`));
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    const kind = inFront(haproxy, (text) =>
      text
        .replace("global\n", `global\n  log 127.0.0.1:${socket.address().port} local0\n`)
        .replace("defaults\n", "defaults\n  log global\n  option httplog\n")
        .replace(/^ {2}bind .*$/m, `$&\n  ${quoted("capture request header")}`),
    );
    await through(kind, log, RAYS);
    socket.close();
    expect(await explain(RAYS["/fine"], log)).toMatchObject({ code: 0, verdict: { shown: "none" } });
    expect(await explain(RAYS["/drop"], log)).toMatchObject({
      code: 1,
      verdict: { shown: "502" },
      access: [{ format: "HAProxy", status: 502, termination: "SH--", request: expect.stringContaining("/drop") }],
    });
    expect(await explain(RAYS["/slow"], log)).toMatchObject({
      verdict: { shown: "504" },
      access: [{ termination: "sH--" }],
    });
  }, 30_000);
});

const ofApache = describe.skipIf(apachePersistent.find() === undefined);

ofApache(`the log of a real Apache with CF-Ray added${skipped(apachePersistent)}`, () => {
  it("is read like nginx's", async () => {
    const log = join(directory, "apache.log");
    const module = ["/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/lib/apache2"].find((folder) =>
      existsSync(join(folder, "mod_log_config.so")),
    );
    const load = module === undefined ? "" : `LoadModule log_config_module ${module}/mod_log_config.so\n`;
    const format = `%h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\" \\"${quoted("%{CF-Ray}i")}\\" ms=%{ms}T`;
    const kind = inFront(apachePersistent, (text) =>
      `${load}${text}`.replace("<VirtualHost", `LogFormat "${format}" own\nCustomLog ${log} own\n<VirtualHost`),
    );
    await through(kind, log, { "/fine": RAYS["/fine"], "/drop": RAYS["/drop"] });
    expect(await explain(RAYS["/fine"].toUpperCase(), log)).toMatchObject({
      code: 0,
      access: [{ format: "combined", status: 200, request: "GET /fine HTTP/1.1" }],
    });
    expect(await explain(RAYS["/drop"], log)).toMatchObject({
      code: 1,
      verdict: { shown: "502" },
      access: [{ status: 502 }],
    });
  }, 30_000);
});

ofNginx(`a log that mentions the Ray of another request${skipped(nginxPersistent)}`, () => {
  it("is not taken for that request", async () => {
    const log = join(directory, "mention.log");
    const kind = inFront(nginxPersistent, (text) =>
      text.replace("access_log off;", `${FORMATS.combined} access_log ${log} own; error_log ${log}.error info;`),
    );
    await through(kind, log, { [`/fine?ray=${RAYS["/drop"]}`]: "230b030023ae0009" });
    const { out, code } = await rayguard(["explain", RAYS["/drop"], log]);
    expect(out).toContain("never arrived at the origin server");
    expect(code).toBe(1);
  }, 30_000);
});
