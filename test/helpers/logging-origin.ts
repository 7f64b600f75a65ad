// Started as a process of its own: an origin server with the guard's own logger. It holds its answers until there are
// `together` of them, gives them in one turn, and ends in the very turn in which the last line of `ends` is logged.
import { subscribe } from "node:diagnostics_channel";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CHANNELS, createGuard } from "../../src/index.js";

const [together, ends] = process.argv.slice(2).map(Number) as [number, number];
let logged = 0;
// The line itself is written after this.
subscribe(CHANNELS.request, () => {
  if (++logged === ends) process.nextTick(() => process.exit(0));
});
const held: ServerResponse[] = [];
const server = createGuard({ trust: "loopback" }).attach(
  createServer((_req, res) => {
    if (held.push(res) === together) for (const response of held.splice(0)) response.end("hello");
  }),
);
server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
