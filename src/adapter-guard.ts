import type { IncomingMessage, ServerResponse } from "node:http";
import type { Exchange, Supervisor } from "./exchange/exchange.js";
import type { Guard } from "./guard.js";
import type { RouteSettings } from "./options/options.js";
import type { Overload } from "./overload/overload.js";
import type { PassThrough } from "./pass-through.js";
import type { Prevented } from "./report/incidents.js";
import type { Logger } from "./report/log.js";
import type { SelfAttaching } from "./server/first-contact.js";
import type { Closing } from "./shutdown/close-listeners.js";
import type { DrainOptions } from "./shutdown/lifecycle.js";

/** A request listener that carries the prototypes of its requests and responses, as an application of Express does. */
export interface AppListener {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** A guard as the adapter of a framework sees it. */
export interface AdapterGuard extends Guard, SelfAttaching {
  /** False in report mode: everything is looked at, nothing is changed. */
  readonly enforces: boolean;
  /** Told of what fails in the guard itself, and of what the log is to say of it. */
  readonly witness: Pick<Supervisor, "warn" | "ownFailure">;
  /** There where the runtime is not supported: everything passes, and nothing else of this guard is used. */
  readonly passThrough: PassThrough | undefined;
  /** Says which requests can be taken; undefined where nobody limits them. */
  readonly overload: Pick<Overload, "admits"> | undefined;
  /** What the framework does behind a drain. */
  readonly lifecycle: { afterDrain: (() => Promise<unknown>) | undefined };
  /** What an adapter does with an application that turns out to be the listener of a server. */
  recognisesApp: ((app: AppListener) => void) | undefined;
  /** Says of a request that an adapter was shown whether every other one comes there as well. */
  seesAll: ((request: IncomingMessage) => boolean) | undefined;
  /** The same as `attach()`, for a guard that gets to see some of the requests: its options hold for those. */
  attachInPart<T extends object>(server: T): T;
  /** @param closing - what becomes of the listeners */
  drain(options?: DrainOptions, closing?: Closing): Promise<void>;
  /** Finds or opens the exchange of a request that reached a listener, a middleware or a hook. */
  accept(request: IncomingMessage, response: ServerResponse): Exchange;
  /** Requests are refused that did not come through the edge: `answers` is to be asked of each that comes here. */
  readonly rejectsDirect: boolean;
  /** Answers what the guard itself answers, such as the health check. @returns true where it has */
  answers(exchange: Exchange): boolean;
  /** The app is about to get a request: what it throws later can be told to belong to it. */
  enter(exchange: Exchange): void;
  /**
   * Something threw on behalf of an exchange.
   * @param rethrows - nobody else has seen the error: where the guard only reports, it must go on its way
   * @param bare - what the edge would show of what the framework does with it; without one the process would end
   */
  failed(exchange: Exchange, error: unknown, rethrows?: boolean, bare?: Prevented): void;
  /** The logger of a framework takes the place of the default one, unless the user named one. */
  useLogger(logger: Logger): void;
  /** Numbers a route sets for itself. @throws {RayguardError} when one of them is no such number */
  route(options: Partial<RouteSettings>): (exchange: Exchange) => void;
}
