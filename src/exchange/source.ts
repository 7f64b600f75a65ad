import { errorMonitor } from "node:events";
import type { Readable } from "node:stream";
import { contain, contained, type Witness } from "../containment.js";

/** An exchange into whose response sources may be piped. */
interface Piped {
  readonly supervisor: Witness;
  readonly phase: { readonly isSettled: boolean };
  sources: Map<Readable, () => void> | undefined;
}

/**
 * Listens to a source that is piped into a response, until the fate of that is known: a source of many responses, such as
 * a live stream, outlives most of them.
 * @returns false where it is listened to already, or nothing is to be heard of it any more
 */
export function listenToSource(
  exchange: Piped,
  source: Readable,
  failed: (error: unknown) => void,
  closed: () => void,
): boolean {
  const { supervisor, phase, sources } = exchange;
  if (phase.isSettled || typeof source?.once !== "function" || sources?.has(source)) return false;
  const onError = contained(supervisor, failed);
  const onClose = contained(supervisor, closed);
  source.once(errorMonitor, onError);
  source.once("close", onClose);
  exchange.sources ??= new Map();
  exchange.sources.set(source, () => {
    source.removeListener(errorMonitor, onError);
    source.removeListener("close", onClose);
  });
  return true;
}

/** The fate of the response is known. */
export function leaveSources({ sources, supervisor }: Piped): void {
  for (const leave of sources?.values() ?? []) contain(supervisor, leave);
}
