import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { apacheModules } from "../proxies/apache.js";
import { findInPath, type ProxyKind, type Route } from "../proxies/proxy.js";
import { selfSigned } from "../testing/certificate.js";

export const DEPLOY = join(import.meta.dirname, "../../deploy");

/** How long the shipped configuration waits for the app, in the tests. */
export const READ_TIMEOUT_S = 2;

/** A proxy as it is shipped; what is put in place of a port, a path or a time-out is all that differs. */
export interface Shipped extends ProxyKind {
  /** Where this one wrote what it writes, once it has been started. */
  folder(): string;
  /** Text of its access log so far. */
  accessLog(): string;
  /** Text of its error log so far. */
  errorLog(): string;
  /** Member `end` of a complete response and of one that was cut, and what the error log says of the latter. */
  readonly cut: { readonly ends: readonly [complete: string, cut: string]; readonly errorLog?: string };
  /** Ports it listens on: 80, 443 and 8520, in this order, and what it uses for itself. */
  readonly listens: number;
  /** What becomes of octets without a status line, which two of three take for HTTP/0.9. */
  readonly noStatusLine: "replaced" | "content of a 200" | "passed on";
}

/** The edge's peers in the tests: 127.0.0.1, and nobody else on this machine. */
const RANGE = /103\.21\.244\.0\/22/g;

export const shippedNginx = shipped({
  name: "nginx",
  noStatusLine: "passed on",
  cut: { ends: ["OK", "OK"], errorLog: "upstream prematurely closed connection" },
  install: "apt-get install nginx-light",
  listens: 3,
  find: () => findInPath("nginx"),
  args: (file, folder) => ["-p", folder, "-c", file, "-e", "stderr"],
  log: "rayguard.log",
  adapt: (text, [http, https, health], folder) =>
    text
      .replaceAll("/etc/nginx/rayguard/", `${folder}/shipped/`)
      .replace("/var/log/nginx/", `${folder}/`)
      .replace("listen 80;", `listen 127.0.0.1:${http?.port};`)
      .replace("listen 443 ssl;", `listen 127.0.0.1:${https?.port} ssl;`)
      .replace(/^ *listen \[::\].*\n/gm, "")
      .replace("127.0.0.1:8520", `127.0.0.1:${health?.port}`)
      .replace("127.0.0.1:3000", `127.0.0.1:${http?.origin}`)
      .replace("proxy_read_timeout 97s", `proxy_read_timeout ${READ_TIMEOUT_S}s`),
  main: (folder) => {
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
      (of) => `${of}_temp_path ${folder}/${of};`,
    );
    return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
events { worker_connections 512; }
http {
  ${temporary.join("\n  ")}
  include ${folder}/shipped/rayguard.conf;
}
`;
  },
});

export const shippedHaproxy = shipped({
  name: "HAProxy",
  noStatusLine: "replaced",
  cut: { ends: ["--", "SD"] },
  install: "apt-get install haproxy",
  listens: 3,
  find: () => findInPath("haproxy"),
  args: (file) => ["-db", "-f", file],
  log: "log",
  adapt: (text, [http, https, health], folder) =>
    text
      .replaceAll("/etc/haproxy/rayguard/", `${folder}/shipped/`)
      .replace("log /dev/log len 8192 local0", "log stdout len 8192 format raw local0")
      .replace("bind :80\n", `bind 127.0.0.1:${http?.port}\n`)
      .replace("bind :443 ", `bind 127.0.0.1:${https?.port} `)
      .replace("127.0.0.1:8520", `127.0.0.1:${health?.port}`)
      .replace("127.0.0.1:3000", `127.0.0.1:${http?.origin}`)
      .replaceAll("abns@rayguard-app", `abns@rayguard-app-${http?.port}`)
      .replace("timeout server 97s", `timeout server ${READ_TIMEOUT_S}s`),
  main: (folder) => readFileSync(`${folder}/shipped/haproxy.cfg`, "utf8"),
});

const APACHE_MODULES = [
  ..."mpm_event unixd authz_core authz_host env log_config proxy proxy_http remoteip headers".split(" "),
  ..."setenvif asis include alias ssl reqtimeout rewrite".split(" "),
];

export const shippedApache = shipped({
  name: "Apache",
  noStatusLine: "content of a 200",
  cut: { ends: ["+", "-"] },
  install: "apt-get install apache2-bin",
  listens: 4,
  find: () => (apacheModules() === undefined ? undefined : findInPath("apache2", "httpd")),
  args: (file, folder) => ["-d", folder, "-f", file, "-DFOREGROUND"],
  log: "rayguard.log",
  adapt: (text, [http, https, health, bridge], folder) =>
    text
      .replaceAll("/etc/apache2/rayguard/", `${folder}/shipped/`)
      .replaceAll("/etc/apache2/rayguard", `${folder}/shipped`)
      .replace("/var/log/apache2/", `${folder}/`)
      .replace("Listen 80\n", `Listen 127.0.0.1:${http?.port}\n`)
      .replace("Listen 443\n", `Listen 127.0.0.1:${https?.port}\n`)
      .replace("*:80>", `127.0.0.1:${http?.port}>`)
      .replace("*:443>", `127.0.0.1:${https?.port}>`)
      .replaceAll("127.0.0.1:8520", `127.0.0.1:${health?.port}`)
      .replaceAll("127.0.0.1:8521", `127.0.0.1:${bridge?.port}`)
      .replace("127.0.0.1:3000", `127.0.0.1:${http?.origin}`)
      .replace(" timeout=97 ", ` timeout=${READ_TIMEOUT_S} `),
  main: (folder) => {
    const modules = APACHE_MODULES.map(
      (name) => `<IfModule !${name}_module>
  LoadModule ${name}_module ${apacheModules()}/mod_${name}.so
</IfModule>`,
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
ThreadLimit 25
ThreadsPerChild 25
MaxRequestWorkers 25
Include ${folder}/shipped/rayguard.conf
`;
  },
});

interface Recipe {
  readonly name: string;
  readonly install: string;
  readonly listens: number;
  readonly noStatusLine: Shipped["noStatusLine"];
  readonly cut: Shipped["cut"];
  readonly log: string;
  readonly find: () => string | undefined;
  readonly args: ProxyKind["args"];
  /** Puts what the test has in place of ports, paths and time-outs. */
  readonly adapt: (text: string, routes: readonly Route[], folder: string) => string;
  /** The main configuration file, around what is shipped. */
  readonly main: (folder: string) => string;
}

function shipped({ name, install, listens, noStatusLine, cut, log, find, args, adapt, main }: Recipe): Shipped {
  let folder = "";
  return {
    name,
    install,
    listens,
    noStatusLine,
    cut,
    find,
    args,
    reuses: true,
    folder: () => folder,
    accessLog: () => readFileSync(join(folder, log), "utf8"),
    errorLog: () => readFileSync(join(folder, "log"), "utf8"),
    configure(routes, given) {
      folder = given;
      const copy = join(folder, "shipped");
      mkdirSync(copy);
      cpSync(join(DEPLOY, name.toLowerCase()), copy, { recursive: true });
      for (const entry of readdirSync(copy, { recursive: true, encoding: "utf8" })) {
        const file = join(copy, entry);
        if (statSync(file).isFile()) {
          writeFileSync(file, adapt(readFileSync(file, "utf8"), routes, folder).replace(RANGE, "127.0.0.1/32"));
        }
      }
      const { key, cert } = selfSigned();
      writeFileSync(join(copy, "origin.pem"), name === "HAProxy" ? cert + key : cert);
      writeFileSync(join(copy, "origin.key"), key);
      chmodSync(folder, 0o755); // Apache does not read it as root
      return main(folder);
    },
  };
}
