type Listener = (...args: never[]) => void;

/** What the guards of this process listen for, each with one listener for all of them. */
const heard = new Map<string, Listener>();

export function isHeard(event: string): boolean {
  return heard.has(event);
}

/** What comes over the channel to a parent. */
const OF_CHANNEL = new Set(["message", "disconnect"]);

/** Node has the channel keep the process for as long as somebody listens; how it counts who does. */
interface Counting {
  refCounted?(): void;
  unrefCounted?(): void;
}

/** Listens for these events of the process, in front of every listener of the app, and for nothing else. */
export function hearOnly(wanted: ReadonlyMap<string, Listener>): void {
  const channel = process.channel as Counting | null | undefined;
  for (const [event, listener] of heard) {
    if (wanted.has(event)) continue;
    if (OF_CHANNEL.has(event)) channel?.refCounted?.();
    process.removeListener(event, listener as never);
    heard.delete(event);
  }
  for (const [event, listener] of wanted) {
    if (heard.has(event)) continue;
    process.prependListener(event as "exit", listener as never);
    // A process of which nothing else is left has nothing to hear.
    if (OF_CHANNEL.has(event)) channel?.unrefCounted?.();
    heard.set(event, listener);
  }
}

/** Leaves an event to the other listeners, or to Node. */
export function hearNoMore(event: string): void {
  const listener = heard.get(event);
  if (listener !== undefined) process.removeListener(event, listener as never);
}
