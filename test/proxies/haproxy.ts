import { findInPath, type ProxyKind, READ_TIMEOUT_S, type Route } from "./proxy.js";

export const haproxy: ProxyKind = {
  name: "HAProxy",
  install: "apt-get install haproxy",
  reuses: true,
  find: () => findInPath("haproxy"),
  configure,
  args: (file) => ["-db", "-f", file],
};

/** No retries, and connections reused even for a first request: the hardest that HAProxy can be on an origin server. */
function configure(routes: readonly Route[]): string {
  const sections = routes.map(
    ({ port, origin }) => `
listen proxy${port}
  bind 127.0.0.1:${port}
  server origin 127.0.0.1:${origin}
`,
  );
  return `global
  maxconn 500

defaults
  mode http
  timeout connect 2s
  timeout client 15s
  timeout server ${READ_TIMEOUT_S}s
  retries 0
  http-reuse always
${sections.join("")}`;
}
