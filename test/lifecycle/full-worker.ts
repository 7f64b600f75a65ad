/** A worker of node:cluster that takes one connection at a time, and drops the others where it is told to. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createGuard } from "../../src/index.js";

const server = createServer((_request, response) => response.end("mine"));
server.maxConnections = 1;
(server as { dropMaxConnection?: boolean }).dropMaxConnection = process.argv[2] === "drop";
createGuard({ logger: false }).attach(server);
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
