import type { Exchange } from "../exchange/exchange.js";
import { exchangeOf } from "../exchange/exchange-of.js";
import type { Http2Guard } from "../http2/server.js";
import { besideOf } from "../options/beside.js";
import type { GuardSupervisor } from "../supervisor.js";
import type { AcceptingGuard } from "./accepting.js";

/** A guard as its server sees it. */
export interface ServersGuard extends Http2Guard, AcceptingGuard {
  readonly supervisor: GuardSupervisor;
  /** Refuses a request because the process is about to end. @returns true where it has */
  refuses(exchange: Exchange): boolean;
}

/** What stands between a server and a guard that is mounted for a part of the app. */
export interface Surroundings extends Http2Guard, AcceptingGuard {
  readonly supervisor: GuardSupervisor;
  /** Somebody has attached the guard, which means all of the server. */
  isWhole: boolean;
}

/**
 * Connections are shared, so octets are guarded on all of them; what the user has asked for holds for requests that come to
 * where the guard is mounted.
 */
export function surroundingsOf(guard: ServersGuard): Surroundings {
  const { enforces, refusals, retryAfterS, sessions, supervisor } = guard;
  const settings = besideOf(supervisor.settings);
  const untilItComes = <E extends Exchange>(exchange: E, isKnown = false): E => {
    if (!surroundings.isWhole && !isKnown) exchange.keepBeside(settings);
    return exchange;
  };
  const surroundings: Surroundings = {
    isWhole: false,
    enforces,
    refusals,
    retryAfterS,
    sessions,
    supervisor,
    witness: supervisor,
    get overload() {
      return surroundings.isWhole ? guard.overload : undefined;
    },
    answers: (exchange) => (surroundings.isWhole ? guard.answers(exchange) : guard.refuses(exchange)),
    refusesDirect: (exchange) => surroundings.isWhole && guard.refusesDirect(exchange),
    open: (request, response, native) => untilItComes(guard.open(request, response, native)),
    openSocket: (...of) => untilItComes(guard.openSocket(...of)),
    openStream(stream, headers) {
      const isKnown = exchangeOf(stream) !== undefined;
      return untilItComes(guard.openStream(stream, headers), isKnown);
    },
    openHttp2(request, response) {
      const isKnown = exchangeOf(response) !== undefined || exchangeOf(request.stream) !== undefined;
      return untilItComes(guard.openHttp2(request, response), isKnown);
    },
    enter: (exchange) => guard.enter(exchange),
    recognise: (listener, exchange) => guard.recognise(listener, exchange),
    failed: (...of) => guard.failed(...of),
    requestHeadersTooLarge: (server) => guard.requestHeadersTooLarge(server),
  };
  return surroundings;
}
