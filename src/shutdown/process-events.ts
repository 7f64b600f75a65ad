type Listener = (...args: never[]) => void;

/** What the guards of this process listen for, each with one listener for all of them. */
const heard = new Map<string, Listener>();

export function isHeard(event: string): boolean {
  return heard.has(event);
}

/** Listens for these events of the process, in front of every listener of the app, and for nothing else. */
export function hearOnly(wanted: ReadonlyMap<string, Listener>): void {
  for (const [event, listener] of heard) {
    if (wanted.has(event)) continue;
    process.removeListener(event, listener as never);
    heard.delete(event);
  }
  for (const [event, listener] of wanted) {
    if (heard.has(event)) continue;
    process.prependListener(event as "exit", listener as never);
    heard.set(event, listener);
  }
}
