import type { Server } from "node:http";
import { interceptServer } from "../http1/server/server.js";
import type { Http1Server } from "../http1/server/server-guard.js";
import { type Http2Guard, interceptHttp2Server } from "../http2/server.js";
import { standsBeforeClose } from "../shutdown/close-method.js";
import { closesQuietly } from "../shutdown/quiet-close.js";
import type { GuardSupervisor } from "../supervisor.js";
import { Accepting, type AcceptingGuard } from "./accepting.js";
import { keepAlive, type TimedServer } from "./keep-alive.js";
import { isHttp1Server } from "./recognise.js";

/** Overrides what a server does with its events, and sets what has to be set on it. @returns a function that undoes all of it */
export function attachTo(
  server: object,
  guard: Http2Guard & AcceptingGuard & { readonly supervisor: GuardSupervisor },
): () => void {
  const { supervisor } = guard;
  const warn = (record: object, message: string) => supervisor.warn(record, message);
  const accepting = new Accepting(server, guard);
  const isHttp1 = isHttp1Server(server);
  const intercept = isHttp1 ? interceptServer : interceptHttp2Server;
  const undo = [() => accepting.undo(), intercept(server as Http1Server, guard, accepting.listening)];
  if (guard.enforces) {
    const closing = server as unknown as Server;
    undo.push(
      isHttp1 ? closesQuietly(closing, supervisor.closing) : standsBeforeClose(closing, (close) => close()),
      // One for HTTP/2 has these, too, for clients that speak HTTP/1.1 (`allowHTTP1`).
      keepAlive(server as TimedServer, supervisor.settings, warn),
      answerHalfClosed(server as Http1Server),
    );
  }
  return () => {
    for (const step of undo) step();
  };
}

/**
 * A client that half-closes still gets its answer: its connection tells it from one that is gone. Where the app has allowed
 * it, or does later, it says `true`, and its clients are not taken to be gone at all.
 */
function answerHalfClosed(server: Http1Server): () => void {
  const before = server.httpAllowHalfOpen;
  server.httpAllowHalfOpen ||= FOR_THE_ANSWER;
  return () => {
    if (server.httpAllowHalfOpen !== FOR_THE_ANSWER) return;
    if (before === undefined) Reflect.deleteProperty(server, "httpAllowHalfOpen");
    else server.httpAllowHalfOpen = before;
  };
}

/** As good as `true` to Node, and yet another value than what an app sets. */
const FOR_THE_ANSWER = 1;
