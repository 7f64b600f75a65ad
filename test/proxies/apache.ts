import { existsSync } from "node:fs";
import { findInPath, type ProxyKind, READ_TIMEOUT_S, type Route } from "./proxy.js";

/** Debian, Fedora, Alpine; a build of one's own. */
const MODULES = [
  "/usr/lib/apache2/modules",
  "/usr/lib64/httpd/modules",
  "/usr/lib/apache2",
  "/usr/local/apache2/modules",
];
const NEEDED = ["mpm_event", "unixd", "authz_core", "env", "proxy", "proxy_http"];

export const apachePersistent = apache("Apache, HTTP/1.1 to the origin server", "");

/** What Apache's own documentation advises for origin servers that cannot keep a connection open. */
export const apacheCareful = apache(
  "Apache, HTTP/1.0 to the origin server",
  "SetEnv force-proxy-request-1.0 1\n  SetEnv proxy-nokeepalive 1",
);

function apache(name: string, settings: string): ProxyKind {
  return {
    name,
    install: "apt-get install apache2-bin",
    reuses: settings === "",
    find: () => (apacheModules() !== undefined ? findInPath("apache2", "httpd") : undefined),
    configure: (routes, folder) => configure(routes, folder, settings),
    args: (file, folder) => ["-d", folder, "-f", file, "-DFOREGROUND"],
  };
}

/** `retry=0`: one failed connection must not make Apache answer 503 for the next minute. */
function configure(routes: readonly Route[], folder: string, settings: string): string {
  const modules = NEEDED.map(
    (name) => `<IfModule !${name}_module>
  LoadModule ${name}_module ${apacheModules()}/mod_${name}.so
</IfModule>`,
  );
  const hosts = routes.map(
    ({ port, origin }) => `Listen 127.0.0.1:${port}
<VirtualHost 127.0.0.1:${port}>
  ${settings}
  ProxyPass / http://127.0.0.1:${origin}/ retry=0
</VirtualHost>`,
  );
  // Apache refuses to serve as root; numbers, since names differ from one distribution to the next.
  const user = process.getuid?.() === 0 ? "User #65534\nGroup #65534" : "";
  return `${modules.join("\n")}
${user}
ServerName localhost
DefaultRuntimeDir ${folder}
PidFile ${folder}/httpd.pid
ErrorLog /dev/stderr
StartServers 1
ServerLimit 1
ThreadLimit 150
ThreadsPerChild 150
MaxRequestWorkers 150
ProxyTimeout ${READ_TIMEOUT_S}
${hosts.join("\n")}
`;
}

/** Folder of Apache's modules, or `undefined` where there is none. */
export function apacheModules(): string | undefined {
  return MODULES.find((folder) => existsSync(`${folder}/mod_proxy_http.so`));
}
