import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { KEEP_ALIVE_MS } from "../causes/connection.js";
import { ALL_CAUSES } from "../causes/index.js";
import { guardOptions, HOST, type Origin, type OriginOptions, slowAnswer } from "./origin.js";

/** A server of node:http with every mistake in it; the guarded one differs in the lines that mention the guard. */
export async function startNode(options: OriginOptions): Promise<Origin> {
  const { guarded, port, watch } = options;
  // Loaded on demand: the bare origin server runs without the package being built.
  const guard = guarded ? (await import("rayguard")).createGuard(guardOptions(options)) : undefined;

  // What it returns is for the guard, which waits for a promise; node:http does not look at it.
  const listener = (request: IncomingMessage, response: ServerResponse): unknown => {
    watch?.(request, response);
    const [path] = (request.url as string).split("?");
    if (path === "/") return response.end("intact\n");
    if (path === "/slow") return slowAnswer(response);
    const handler = ALL_CAUSES.find(({ name }) => path === `/${name}`)?.handler;
    if (handler) return handler(request, response);
    response.statusCode = 404;
    return response.end("not found\n");
  };
  const server = createServer(guard ? guard.listener(listener) : listener);
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  for (const cause of ALL_CAUSES) cause.server?.(server);
  guard?.attach(server);
  server.listen(port, HOST);
  return { server, guard };
}
