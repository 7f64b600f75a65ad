// Started as a thread: an origin server whose app throws.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import { createGuard } from "../../src/index.js";

const server = createServer((request, response) => {
  if (request.url === "/slow") setTimeout(() => response.end("slow"), 500);
  else {
    setTimeout(() => {
      throw new TypeError("thrown in a thread");
    }, 1);
  }
});
if (workerData === "guarded") createGuard({ logger: false, lint: false }).attach(server);
server.listen(0, "127.0.0.1", () => parentPort?.postMessage((server.address() as AddressInfo).port));
