// Started as a process of its own: an origin server that answers requests one after another and then ends. Lines wait
// for a minute, so that only what has them written before the end brings them out.
// usage: batching-origin DESTINATION END
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import fastify, { LogController } from "fastify";
import { pino } from "pino";
import rayguard from "../../adapters/fastify.js";
import { createGuard } from "../../src/index.js";

const [, , destination, end] = process.argv;
const REQUESTS = 5;
/** Time for a thread to write what it has been given. */
const LATER_MS = 300;
const options = { logBatchMs: 60_000, trust: "loopback" } as const;
const logController = new LogController({ disableRequestLogging: true });
const own = { logger: true, logController, forceCloseConnections: true } as const;

const LOGGERS: Record<string, () => { readonly logger?: ReturnType<typeof pino> }> = {
  default: () => ({}),
  synchronous: () => ({ logger: pino(pino.destination({ dest: 1, sync: true })) }),
  asynchronous: () => ({ logger: pino(pino.destination({ dest: 1, sync: false })) }),
  buffering: () => ({ logger: pino(pino.destination({ dest: 1, sync: false, minLength: 4096 })) }),
  transport: () => ({ logger: pino({ transport: { target: "pino/file", options: { destination: 1 } } }) }),
};

/** Ways to end, each after the last answer; what they leave to Node ends the process with the connections. */
const ENDS: Record<string, () => void> = {
  "of itself": () => void close(),
  "process.exit()": () => process.exit(),
  "process.exit() of an exit listener": () => {
    process.on("exit", () => process.exit());
    process.exit();
  },
  "an uncaught exception": () => {
    throw new Error("uncaught");
  },
  "an unhandled rejection": () => void Promise.reject(new Error("unhandled")),
  SIGTERM: () => void process.kill(process.pid, "SIGTERM"),
  "drain()": () => void drain(),
  "close() of the guard, then death": () => {
    closeGuard();
    setTimeout(() => process.kill(process.pid, "SIGKILL"), LATER_MS);
  },
  "drain(), then death": () =>
    void drain().then(() => setTimeout(() => process.kill(process.pid, "SIGKILL"), LATER_MS)),
  "an incident, then death": () => {
    fail = true;
    ask(() => setTimeout(() => process.kill(process.pid, "SIGKILL"), LATER_MS));
  },
  "an uncaught exception that aborts": () => {
    process.prependListener("uncaughtException", () => process.kill(process.pid, "SIGKILL"));
    throw new Error("uncaught");
  },
  "a flush of the logger, then death": () => {
    logger?.flush();
    setTimeout(() => process.kill(process.pid, "SIGKILL"), LATER_MS);
  },
  "a fatal line, then death": () => {
    logger?.fatal("the last");
    process.kill(process.pid, "SIGKILL");
  },
  death: () => process.kill(process.pid, "SIGKILL"),
};

let fail = false;
let logger: { flush(): void; fatal(message: string): void } | undefined;
let close: () => void;
let closeGuard: () => void;
let drain: () => Promise<void>;
let port: number;

if (destination === "fastify") {
  const app = fastify(own);
  await app.register(rayguard, options);
  app.get("/*", async (_request, reply) => reply.code(fail ? 502 : 200).send("hello"));
  await app.listen({ port: 0, host: "127.0.0.1" });
  logger = app.log as never;
  close = () => void app.close();
  closeGuard = () => app.rayguard.close();
  drain = () => app.rayguard.drain();
  port = (app.server.address() as AddressInfo).port;
} else {
  const chosen = LOGGERS[destination as string]?.() ?? {};
  logger = chosen.logger;
  const guard = createGuard({ ...options, ...chosen });
  const server = guard.attach(
    createServer((_request, response) => {
      if (fail) throw new Error("failed");
      response.end("hello");
    }),
  );
  close = () => void server.close();
  closeGuard = () => guard.close();
  drain = () => guard.drain();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
}

let asked = 0;
/** One request, on a connection that is gone when the next one begins. */
function ask(then: () => void): void {
  const socket = connect(port, "127.0.0.1", () =>
    socket.write(`GET /${asked++} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`),
  );
  socket.resume().on("close", () => setImmediate(then));
}
const next = () => (asked < REQUESTS ? ask(next) : setTimeout(ENDS[end as string] as () => void, 20));
next();
