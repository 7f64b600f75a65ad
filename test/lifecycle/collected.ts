import { createServer, type RequestListener, request, type Server } from "node:http";
import { createServer as createHttp2Server, createSecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { createGuard, type Guard, type GuardOptions } from "../../src/index.js";
import { selfSigned } from "../testing/certificate.js";

/** Opens and closes servers, each with one request, and prints how many servers and guards are left once memory is collected. */
const [kind = "http", guards = "one", count = "60", asJson = "{}"] = process.argv.slice(2);
const options = { logger: false, ...(JSON.parse(asJson) as object) } as GuardOptions;
const collect = (globalThis as unknown as { gc(): void }).gc;
const certificate = kind === "http" ? undefined : selfSigned();

function create(guard: Guard): Server {
  const answer: RequestListener = (_request, response) => void response.end("ok");
  if (kind === "http") return createServer(guards === "unattached" ? guard.listener(answer) : answer);
  if (kind === "http2") return createHttp2Server() as unknown as Server;
  return createSecureServer({ ...certificate, allowHTTP1: true }) as unknown as Server;
}

const shared = createGuard(options);
const servers: WeakRef<object>[] = [];
const made: WeakRef<object>[] = [];

async function once(): Promise<void> {
  const guard = guards === "one" ? shared : createGuard(options);
  if (guards !== "one") made.push(new WeakRef(guard));
  const server = create(guard);
  servers.push(new WeakRef(server));
  if (guards !== "unattached") guard.attach(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  if (kind === "http")
    await new Promise<void>((resolve, reject) => {
      request({ port, host: "127.0.0.1", agent: false }, (response) => response.resume().on("end", resolve))
        .on("error", reject)
        .end();
    });
  await new Promise((resolve) => server.close(resolve));
}

const heard = () => process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
const before = heard();

for (let n = 0; n < Number(count); n++) await once();
const left = (refs: WeakRef<object>[]) => refs.filter((ref) => ref.deref() !== undefined).length;
for (let n = 0; n < 40 && left(servers) + left(made) > 2; n++) {
  await wait(25);
  collect();
}
await wait(50); // what has been collected is told in a turn of its own
console.log(JSON.stringify({ servers: left(servers), guards: left(made), listeners: heard() - before }));
process.exit(0);
