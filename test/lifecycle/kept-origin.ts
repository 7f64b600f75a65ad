// Started as a process of its own: tells when the one request it has had is gone from memory.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createGuard } from "../../src/index.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const registry = new FinalizationRegistry(() => process.send?.("collected"));
const server = createServer((request, response) => {
  registry.register(request, undefined);
  response.end("ok");
});
createGuard({ logger: false }).attach(server);
server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
setInterval(collect, 50);
