import { EventEmitter } from "node:events";

/** A domain of `node:domain`: what is thrown while it is active is an `error` event of it. */
interface Domain {
  enter(): void;
  exit(): void;
  emit(event: "error", error: unknown): boolean;
  listenerCount(event: string): number;
}

/** What belongs to a domain: an emitter, a promise, and the process while one is active. */
interface Member {
  readonly domain?: Domain | null;
}

/** Whether errors of an emitter or a promise are heard by the domain that it belongs to. */
export function belongsToDomain(member: object): boolean {
  return isHeard((member as Member).domain);
}

function isHeard(domain: Domain | null | undefined): boolean {
  return domain !== undefined && domain !== null && domain.listenerCount("error") > 0;
}

/** Whether a domain takes what is thrown here and now. */
export function isInDomain(): boolean {
  return Boolean((process as Member).domain) && process.hasUncaughtExceptionCaptureCallback();
}

/**
 * Has the active domain take what the app has thrown, as Node has it. Not by throwing it on: that would end Node's parser in
 * the middle of what it reads, and no later request of the connection would be answered. Domains that do not take it are
 * left as well, or whatever comes next would be theirs.
 * @returns false where none takes it
 */
export function throwIntoDomain(error: unknown): boolean {
  if (!isInDomain()) return leaveDomains();
  EventEmitter.prototype.emit.call(process, "uncaughtExceptionMonitor", error, "uncaughtException");
  for (let thrown = error, { domain } = process as Member; domain; { domain } = process as Member) {
    domain.exit();
    if (!isHeard(domain)) continue;
    mark(thrown, domain);
    try {
      domain.emit("error", thrown);
      leaveDomains();
      return true;
    } catch (again) {
      thrown = again;
    }
  }
  return false;
}

function leaveDomains(): false {
  for (let { domain } = process as Member; domain; { domain } = process as Member) domain.exit();
  return false;
}

function mark(error: unknown, domain: Domain): void {
  if ((typeof error !== "object" || error === null) && typeof error !== "function") return;
  Reflect.defineProperty(error, "domain", { value: domain, configurable: true, writable: true });
  Reflect.set(error, "domainThrown", true);
}

/** Runs `act` in the domain of an emitter, as its `emit` does. */
export function inDomainOf<T>(emitter: object, act: () => T): T {
  const { domain } = emitter as Member;
  if (!domain) return act();
  domain.enter();
  const result = act();
  domain.exit(); // where it throws, the domain stays active: it takes that
  return result;
}
