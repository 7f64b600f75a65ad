// Origin servers whose app uses `node:domain`, loaded behind their guard: it replaces `emit` of every emitter there is.
// usage: domains <bare|report|enforce>, over IPC: tells its ports, and with each message what has been told since the last.
import type { Domain } from "node:domain";
import { once } from "node:events";
import http, { type RequestListener, type ServerResponse } from "node:http";
import http2 from "node:http2";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import express4 from "express4";
import { rayguard } from "../adapters/express.js";
import { createGuard } from "../src/index.js";

export type DomainServer = "HTTP/1.1" | "HTTP/2" | "Express 4" | "in a domain";
export type DomainWay = keyof typeof WAYS;
type Way = (response: ServerResponse, domain: Domain, other: Domain) => unknown;

const mode = process.argv[2] as "bare" | "report" | "enforce";
const options = { mode: mode as "report", logger: false, crash: false, shutdown: false } as const;

let told: string[] = [];
process.on("uncaughtExceptionMonitor", (error) => told.push(`monitor: ${error.message}`));

const app = express4();
if (mode !== "bare") app.use(rayguard(options) as never);
const listener: RequestListener = (req, res) => handle(req.url as string, res);
app.use(((req, res) => listener(req, res)) as RequestListener as never);
const servers: Record<DomainServer, http.Server | http2.Http2Server> = {
  "HTTP/1.1": http.createServer(listener),
  "HTTP/2": http2.createServer(listener as never),
  "Express 4": http.createServer(app),
  "in a domain": http.createServer((_req, res) => res.end(String(isActive()))),
};
if (mode !== "bare") {
  const guard = createGuard(options);
  for (const [name, server] of Object.entries(servers)) if (name !== "Express 4") guard.attach(server);
}

const { create } = createRequire(import.meta.url)("node:domain") as typeof import("node:domain");
create().add(servers["in a domain"]);

function isActive(): boolean {
  return Boolean((process as { domain?: unknown }).domain);
}

/** A domain that answers its request. */
function answering(response: ServerResponse): Domain {
  const domain = create();
  return domain.on("error", (error: Error & { domainThrown?: boolean; domain?: Domain }) => {
    const { message, domainThrown, domain: of } = error;
    told.push(`domain: ${message}, thrown ${domainThrown}, of it ${of === domain}, inside another ${isActive()}`);
    response.statusCode = 418;
    response.end("from the domain");
  });
}

function fail(): never {
  throw new Error("of the app");
}

const WAYS = {
  throws: (_response, domain) => domain.run(fail),
  "throws behind enter()": (_response, domain) => {
    domain.enter();
    fail();
  },
  "throws inside a deaf one": (_response, domain, other) => other.run(() => domain.run(fail)),
  "throws in a deaf one inside": (_response, domain, other) => domain.run(() => other.run(fail)),
  "throws in its listener, inside another": (_response, domain, other) => {
    other.on("error", () => {
      throw new Error("of a domain");
    });
    domain.run(() => other.run(fail));
  },
  "throws in a listener of a response in it": (response, domain) => {
    domain.add(response);
    response.on("event of the app", fail);
    response.emit("event of the app");
  },
  "throws in such a listener later on": (response, domain) => {
    domain.add(response);
    response.on("event of the app", fail);
    setImmediate(() => response.emit("event of the app"));
  },
  "has an error of a response in it": (response, domain) => {
    domain.add(response);
    response.emit("error", new Error("of the app"));
  },
  rejects: (_response, domain) => domain.run(async () => fail()),
} as const satisfies Record<string, Way>;

function handle(path: string, response: ServerResponse): unknown {
  const way = decodeURIComponent(path.slice(1));
  if (way === "is one active?") return response.end(String(isActive()));
  if (way === "throws in a deaf one") create().run(fail);
  return (WAYS[way as DomainWay] as Way)(response, answering(response), create());
}

process.on("message", () => {
  process.send?.(told);
  told = [];
});

const ports: Record<string, number> = {};
for (const [name, server] of Object.entries(servers)) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ports[name] = (server.address() as AddressInfo).port;
}
process.send?.(ports);
