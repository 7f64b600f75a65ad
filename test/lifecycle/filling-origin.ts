/**
 * A process of its own: a guarded origin server that keeps as many octets outside the heap as `/fill/<count>` says.
 * The argument is `maxHeapRatio`.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createGuard } from "../../src/index.js";

const kept: Buffer[] = [];
const guard = createGuard({
  logger: false,
  overload: { maxHeapRatio: Number(process.argv[2]), maxEventLoopDelayMs: false, maxEventLoopUtilization: false },
});
const server = createServer((request, response) => {
  const count = Number(/^\/fill\/(\d+)$/.exec(request.url ?? "")?.[1] ?? 0);
  if (count > 0) kept.push(Buffer.alloc(count, 1));
  response.end(String(process.memoryUsage.rss()));
});
guard.attach(server);
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
process.on("disconnect", () => process.exit());
