/** An app whose one connection is a Duplex, which keeps no process alive, and on which it begins an answer. */
import { createServer } from "node:http";
import { connect as connect2, createServer as createServer2 } from "node:http2";
import { duplexPair } from "node:stream";
import { createGuard } from "../src/index.js";

const [, , protocol, isGuarded] = process.argv;
const [near, far] = duplexPair();
const server = protocol === "1.1" ? createServer() : createServer2();
if (isGuarded === "true") createGuard({ logger: false, shutdown: false, holdBackMs: 200 }).attach(server);
server.on("request", (_request, response) => void response.write("held"));
process.stdout.write("started ");
if (protocol === "1.1") near.setEncoding("latin1").on("data", (octets) => process.stdout.write(octets));
server.emit("connection", far);
if (protocol === "1.1") near.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
else {
  const stream = connect2("http://a", { createConnection: () => near }).request();
  stream.setEncoding("latin1").on("data", (octets) => process.stdout.write(octets));
}
