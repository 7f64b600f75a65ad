import type { Server } from "node:http";
import express from "express";
import { KEEP_ALIVE_MS } from "../causes/connection.js";
import { CAUSES } from "../causes/index.js";
import { GUARD_OPTIONS, HOST, type OriginOptions, slowAnswer } from "./origin.js";

/** An Express app with every mistake in it; the guarded one differs in the lines that mention the guard. */
export async function startExpress({ guarded, port }: OriginOptions): Promise<Server> {
  // Loaded on demand: the bare origin server runs without the package being built.
  const guard = guarded ? (await import("rayguard/express")).rayguard(GUARD_OPTIONS) : undefined;

  const app = express();
  if (guard) app.use(guard);
  app.get("/", (_request, response) => {
    response.send("intact\n");
  });
  app.all("/slow", (_request, response) => slowAnswer(response));
  for (const { name, handler } of CAUSES) {
    if (handler) app.all(`/${name}`, (request, response) => handler(request, response));
  }
  if (guard) app.use(guard.errorHandler);

  const server = app.listen(port, HOST);
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  for (const cause of CAUSES) cause.server?.(server);
  guard?.attach(server);
  return server;
}
