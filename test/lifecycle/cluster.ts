// Started as a process of its own: a primary with two workers, which it replaces when it is told to.
import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { createServer } from "node:http";
import net from "node:net";
import { createGuard } from "../../src/index.js";

const isGuarded = process.argv[3] === "guarded";

if (cluster.isPrimary) {
  const probe = net.createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as net.AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const startWorker = async (): Promise<Worker> => {
    const worker = cluster.fork({ PORT: String(port) });
    worker.on("exit", (code) => process.send?.(`exit ${code}`));
    await once(worker, "listening");
    return worker;
  };
  let workers = [await startWorker(), await startWorker()];
  process.on("message", async (message) => {
    if (message === "end") process.exit();
    const old = workers;
    workers = [];
    for (const worker of old) {
      workers.push(await startWorker());
      worker.disconnect();
    }
    process.send?.("reloaded");
  });
  process.send?.({ port });
} else {
  const server = createServer({ keepAliveTimeout: 60_000 }, (_request, response) => {
    setTimeout(() => response.end(String(process.pid)), 3);
  });
  if (isGuarded) createGuard({ logger: false }).attach(server);
  server.listen(Number(process.env.PORT), "127.0.0.1");
}
