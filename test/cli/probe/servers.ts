import { existsSync } from "node:fs";
import { findInPath, type ProxyKind, type Route } from "../../proxies/proxy.js";

const MODULES = "/usr/lib/apache2/modules";

/** Files that every server serves. */
export interface Site {
  readonly folder: string;
  readonly key: string;
  readonly cert: string;
}

/** Web servers as they come, which serve a page: the first port speaks HTTP, the second HTTPS. */
export function webServers(site: Site): ProxyKind[] {
  return [nginx(site), apache(site), caddy(site)];
}

const common = { reuses: true } as const;

function nginx({ folder: root, key, cert }: Site): ProxyKind {
  return {
    ...common,
    name: "nginx",
    install: "apt-get install nginx-light",
    find: () => findInPath("nginx"),
    args: (file, folder) => ["-p", folder, "-c", file, "-e", "stderr"],
    configure: ([plain, secure], folder) => `daemon off;
master_process off;
pid ${folder}/nginx.pid;
events {}
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((of) => `${of}_temp_path ${folder}/${of};`).join("\n  ")}
  root ${root};
  server { listen 127.0.0.1:${plain?.port}; }
  server {
    listen 127.0.0.1:${secure?.port} ssl http2;
    ssl_certificate ${cert};
    ssl_certificate_key ${key};
  }
}
`,
  };
}

function apache({ folder: root, key, cert }: Site): ProxyKind {
  const modules = ["mpm_event", "unixd", "authz_core", "dir", "mime", "ssl", "http2", "socache_shmcb"];
  const load = modules.map(
    (name) => `<IfModule !${name}_module>
  LoadModule ${name}_module ${MODULES}/mod_${name}.so
</IfModule>`,
  );
  return {
    ...common,
    name: "Apache",
    install: "apt-get install apache2-bin",
    find: () => (existsSync(`${MODULES}/mod_http2.so`) ? findInPath("apache2", "httpd") : undefined),
    args: (file, folder) => ["-d", folder, "-f", file, "-DFOREGROUND"],
    configure: ([plain, secure], folder) => `${load.join("\n")}
${process.getuid?.() === 0 ? "User #65534\nGroup #65534" : ""}
ServerName localhost
DefaultRuntimeDir ${folder}
PidFile ${folder}/httpd.pid
ErrorLog /dev/stderr
TypesConfig /dev/null
Protocols h2 http/1.1
DocumentRoot ${root}
DirectoryIndex index.html
Listen 127.0.0.1:${plain?.port}
Listen 127.0.0.1:${secure?.port}
<VirtualHost 127.0.0.1:${secure?.port}>
  SSLEngine on
  SSLCertificateFile ${cert}
  SSLCertificateKeyFile ${key}
</VirtualHost>
`,
  };
}

function caddy({ folder: root, key, cert }: Site): ProxyKind {
  const site = (scheme: string, route: Route | undefined, more: string) => `${scheme}://localhost:${route?.port} {
  ${more}
  root * ${root}
  file_server
}
`;
  return {
    ...common,
    name: "Caddy",
    install: "apt-get install caddy",
    find: () => findInPath("caddy"),
    args: (file) => ["run", "--config", file, "--adapter", "caddyfile"],
    configure: ([plain, secure], folder) => `{
  admin off
  auto_https off
  storage file_system ${folder}/storage
}
${site("http", plain, "")}${site("https", secure, `tls ${cert} ${key}`)}`,
  };
}
