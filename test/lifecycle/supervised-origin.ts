// Started by a process manager: an origin server that is told its port.
import { createServer } from "node:http";
import { createGuard } from "../../src/index.js";

const guard = createGuard({ logger: false, lint: false });
const server = createServer((request, response) => {
  if (request.url === "/slow") setTimeout(() => response.end(String(process.pid)), 1_500);
  else if (request.url !== "/throw") response.end(String(process.pid));
  else {
    setTimeout(() => {
      throw new TypeError("thrown from a timer");
    }, 1);
  }
});
guard.attach(server).listen(Number(process.env.PORT), "127.0.0.1");
