import express from "express";
import { KEEP_ALIVE_MS } from "../causes/connection.js";
import { ALL_CAUSES } from "../causes/index.js";
import { guardOptions, HOST, type Origin, type OriginOptions, slowAnswer } from "./origin.js";

/** An Express app with every mistake in it; the guarded one differs in the lines that mention the guard. */
export async function startExpress(options: OriginOptions): Promise<Origin> {
  const { guarded, port, watch } = options;
  // Loaded on demand: the bare origin server runs without the package being built.
  const guard = guarded ? (await import("rayguard/express")).rayguard(guardOptions(options)) : undefined;

  const app = express();
  if (guard) app.use(guard);
  if (watch) {
    app.use((request, response, next) => {
      watch(request, response);
      next();
    });
  }
  app.get("/", (_request, response) => {
    response.send("intact\n");
  });
  app.all("/slow", (_request, response) => slowAnswer(response));
  for (const { name, handler } of ALL_CAUSES) {
    if (handler) app.all(`/${name}`, (request, response) => handler(request, response));
  }
  if (guard) app.use(guard.errorHandler);

  const server = app.listen(port, HOST);
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  for (const cause of ALL_CAUSES) cause.server?.(server);
  guard?.attach(server);
  return { server, guard };
}
