import { readFileSync } from "node:fs";
import { EDGE_SECRET } from "./secret.js";

/** What the edge needs to know: where to listen, and the origin servers by the first segment of the path. */
export interface EdgeConfig {
  readonly port: number;
  readonly readTimeoutMs: number;
  readonly origins: ReadonlyMap<string, number>;
}

// Carried inside the configuration: "embed" only takes paths relative to it, and it lives in a temporary folder.
const MODULES = ["worker.js", "edge-content.js"].map((name) => {
  const text = readFileSync(new URL(name, import.meta.url), "utf8");
  return `(name = "${name}", esModule = ${JSON.stringify(text)}),`;
});

/** The configuration of workerd, in the text format of Cap'n Proto, whose strings are escaped as JSON's are. */
export function capnpConfig({ port, readTimeoutMs, origins }: EdgeConfig): string {
  const services = [...origins].map(
    ([name, originPort]) => `(name = "${name}", external = (address = "127.0.0.1:${originPort}", http = ())),`,
  );
  const bindings = [...origins.keys()].map((name) => `(name = "${name}", service = "${name}"),`);
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "edge", worker = .edge),
    ${services.join("\n    ")}
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "edge")],
);

const edge :Workerd.Worker = (
  modules = [
    ${MODULES.join("\n    ")}
  ],
  compatibilityDate = "2026-11-01",
  bindings = [
    (name = "READ_TIMEOUT_MS", json = "${readTimeoutMs}"),
    (name = "EDGE_SECRET", json = ${JSON.stringify(JSON.stringify(EDGE_SECRET))}),
    ${bindings.join("\n    ")}
  ],
);
`;
}
