import { errorMonitor } from "node:events";
import type { Readable } from "node:stream";
import { contain, contained, type Witness } from "../containment.js";

/** A source that is piped into a response. */
export interface Source {
  /** It still is: nobody has let go of it. */
  isPiped(): boolean;
  /** Listens to it no more. */
  leave(): void;
}

/** An exchange into whose response sources may be piped. */
interface Piped {
  readonly supervisor: Witness;
  readonly phase: { readonly isSettled: boolean };
  sources: Map<Readable, Source> | undefined;
}

/**
 * Listens to a source that is piped into a response, until the fate of that is known: a source of many responses, such as
 * a live stream, outlives most of them.
 * @param closed - told whether it was still piped into the response
 */
export function listenToSource(
  exchange: Piped,
  source: Readable,
  failed: (error: unknown) => void,
  closed: (isPiped: boolean) => void,
): void {
  const { supervisor, phase, sources } = exchange;
  if (phase.isSettled || typeof source?.once !== "function" || sources?.has(source)) return;
  // As the source knows it: an app may pipe into an object that stands for the response.
  const into = pipesOf(source)?.at(-1);
  const isPiped = () => pipesOf(source)?.includes(into) ?? true;
  const onError = contained(supervisor, failed);
  const onClose = contained(supervisor, () => {
    exchange.sources?.delete(source);
    closed(isPiped());
  });
  source.once(errorMonitor, onError);
  source.once("close", onClose);
  const leave = () => {
    source.removeListener(errorMonitor, onError);
    source.removeListener("close", onClose);
  };
  exchange.sources ??= new Map();
  exchange.sources.set(source, { isPiped, leave });
}

/**
 * Whether what is written to a response here and now may come from a source, which catches nothing.
 * @param isPiping - whether a stream of Node is what writes; of any other kind that cannot be told
 */
export function isFed({ sources }: Pick<Piped, "sources">, isPiping: () => boolean): boolean {
  if (sources === undefined) return false;
  for (const [stream, source] of sources)
    if (source.isPiped() && (pipesOf(stream) === undefined || isPiping())) return true;
  return false;
}

/** The fate of the response is known. */
export function leaveSources({ sources, supervisor }: Piped): void {
  for (const source of sources?.values() ?? []) contain(supervisor, () => source.leave());
}

/** What a source is piped into, the latest last; undefined where it is of a kind that does not tell. */
function pipesOf(source: Readable): unknown[] | undefined {
  const { _readableState: state } = source as { _readableState?: { pipes?: unknown } };
  if (state?.pipes === undefined) return undefined;
  // An older one keeps a single one by itself, and null for none.
  return Array.isArray(state.pipes) ? state.pipes : [state.pipes];
}
