/**
 * A process of its own: an origin server with few file descriptors. Started by a shell that has set the limit; the
 * arguments are "bare" or "guarded" and the options as JSON. It tells its port on the standard output, and at the end of
 * the standard input it ends.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createGuard } from "../../src/index.js";

const [variant, options = "{}"] = process.argv.slice(2);
const server = createServer((_request, response) => response.end("done"));
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
const note = (record: object, message: string) => say({ ...record, message });
const guard =
  variant === "guarded"
    ? createGuard({ logger: { info() {}, warn: note, error: note }, ...JSON.parse(options) })
    : undefined;
guard?.attach(server);
server.listen(0, "127.0.0.1", 1_024, () => say({ port: (server.address() as AddressInfo).port }));
process.stdin.on("end", () => process.exit()).resume();
