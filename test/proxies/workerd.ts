import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { type ProxyKind, READ_TIMEOUT_S, type Route } from "./proxy.js";

const UPLOAD_HEADER = "X-Upload";

/** Passes everything on. What workerd cannot take becomes what the edge shows for it; workerd itself would say 500. */
const WORKER = `export default {
  async fetch(request, { ORIGIN }) {
    const signal = AbortSignal.timeout(${READ_TIMEOUT_S * 1000});
    try {
      return await ORIGIN.fetch(withUpload(request), { redirect: "manual", signal });
    } catch (error) {
      return new Response(String(error), { status: signal.aborted ? 524 : 520 });
    }
  },
};

function withUpload(request) {
  const upload = request.headers.get("${UPLOAD_HEADER}");
  if (upload === null) return request;
  const body = new Blob(["x".repeat(parseInt(upload))]);
  return new Request(request, { method: "POST", body: upload.endsWith("chunked") ? ofUnknownLength(body) : body });
}

// workerd knows the length of a Blob's own stream, and announces it.
function ofUnknownLength(blob) {
  const reader = blob.stream().getReader();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}
`;

export const workerd: ProxyKind = {
  name: "workerd",
  install: "npm install workerd",
  reuses: true,
  uploadHeader: UPLOAD_HEADER,
  find,
  configure,
  args: (file) => ["serve", file],
};

function find(): string | undefined {
  try {
    const binary: string = createRequire(import.meta.url)("workerd").default;
    // A binary for another C library is there, but does not start.
    return spawnSync(binary, ["--version"]).status === 0 ? binary : undefined;
  } catch {
    return undefined;
  }
}

/** In the text format of Cap'n Proto, whose strings are escaped as JSON's are. */
function configure(routes: readonly Route[]): string {
  const services = routes.flatMap(({ port, origin }) => [
    `(name = "origin${port}", external = (address = "127.0.0.1:${origin}", http = ())),`,
    `(name = "proxy${port}", worker = (
      modules = [(name = "worker.js", esModule = ${JSON.stringify(WORKER)})],
      compatibilityDate = "2026-11-01",
      bindings = [(name = "ORIGIN", service = "origin${port}")],
    )),`,
  ]);
  const sockets = routes.map(
    ({ port }) => `(name = "http${port}", address = "127.0.0.1:${port}", http = (), service = "proxy${port}"),`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    ${services.join("\n    ")}
  ],
  sockets = [
    ${sockets.join("\n    ")}
  ],
);
`;
}
