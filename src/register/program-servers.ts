import { subscribe } from "node:diagnostics_channel";
import type { Server } from "node:net";
import { contained } from "../containment.js";
import { RayguardError } from "../errors.js";
import { GuardCore } from "../guard-core.js";
import { resolveOptions } from "../options/options.js";
import { addressText } from "../report/address-text.js";
import { MESSAGES } from "../report/log.js";
import { leadsToGuard, SERVER_LISTENS } from "../server/first-contact.js";
import { guardsOf, isServer } from "../server/recognise.js";
import { ownServers } from "../shared.js";
import type { ProgramOptions } from "./configuration.js";
import { onGivenConnections } from "./given-connections.js";

/**
 * Guards every server of the program as it begins to listen or is given its first connection, and before it hears of it;
 * but for those that have a guard of the app's own.
 * @throws {RayguardError} `ERR_RAYGUARD_UNKNOWN_OPTION`, `ERR_RAYGUARD_INVALID_OPTION`
 */
export function guardProgram({ servers: isGuarded, ...options }: ProgramOptions): void {
  if (isGuarded !== undefined && typeof isGuarded !== "function") {
    throw new RayguardError(
      "ERR_RAYGUARD_INVALID_OPTION",
      `servers must be a function that says of a server whether it is guarded; got ${typeof isGuarded}.`,
    );
  }
  resolveOptions(options);
  const guards = new ProgramGuard(options);
  /** It is decided once what becomes of a server, or each time that it begins to listen. */
  const known = new WeakSet<object>();
  const found = (server: object) => {
    known.add(server);
    if (!isServer(server) || guardsOf(server).size > 0 || leadsToGuard(server) || ownServers.has(server)) return;
    if (isGuarded?.(server) !== false) guards.take(server);
  };
  const listens = contained(undefined, (message: unknown) => found((message as { server: object }).server));
  subscribe(SERVER_LISTENS, listens);
  onGivenConnections((server) => {
    if (!known.has(server)) found(server);
  });
}

/** The guard of a program: made for the first server it is needed for, gone with the last. */
class ProgramGuard {
  #guard: GuardCore | undefined;
  #isTold = false;

  constructor(private readonly options: ProgramOptions) {}

  take(server: object): void {
    this.#guard ??= new GuardCore(this.options);
    const guard = this.#guard;
    guard.attachUntilAnother(server, () => {
      if (guard.isAttached) return;
      // What is the guard's for the whole process is the other one's now.
      if (this.#guard === guard) this.#guard = undefined;
      guard.close();
    });
    if (this.#isTold || guard.passThrough !== undefined) return;
    this.#isTold = true;
    guard.supervisor.reporter.info({ address: addressText((server as Server).address()) }, MESSAGES.programGuarded);
  }
}
