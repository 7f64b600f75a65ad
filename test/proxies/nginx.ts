import { findInPath, type ProxyKind, READ_TIMEOUT_S, type Route } from "./proxy.js";

/** nginx as it comes: HTTP/1.0 to the origin server, a connection for each request, uploads buffered. */
export const nginxAsItComes = nginx("nginx, HTTP/1.0 to the origin server", "proxy_http_version 1.0;");

/** nginx as most set it up: persistent connections to the origin server. */
export const nginxPersistent = nginx(
  "nginx, HTTP/1.1 to the origin server",
  'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off;',
);

function nginx(name: string, settings: string): ProxyKind {
  return {
    name,
    install: "apt-get install nginx-light",
    reuses: !settings.includes("1.0"),
    find: () => findInPath("nginx"),
    configure: (routes, folder) => configure(routes, folder, settings),
    args: (file, folder) => ["-p", folder, "-c", file, "-e", "stderr"],
  };
}

/** `proxy_next_upstream off`: a second try would hide what the origin server did to the first. */
function configure(routes: readonly Route[], folder: string, settings: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (of) => `${of}_temp_path ${folder}/${of};`,
  );
  const servers = routes.map(
    ({ port, origin }) => `
  upstream origin${port} { server 127.0.0.1:${origin}; keepalive 8; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://origin${port}; ${settings} }
  }`,
  );
  return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
events { worker_connections 512; }
http {
  access_log off;
  ${temporary.join("\n  ")}
  client_max_body_size 0;
  proxy_read_timeout ${READ_TIMEOUT_S}s;
  proxy_next_upstream off;
  ${servers.join("")}
}
`;
}
