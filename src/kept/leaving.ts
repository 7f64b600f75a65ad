import { contain } from "../containment.js";
import { shared } from "../shared.js";

interface Holder {
  listener: ((crashes: boolean) => void) | undefined;
}

const holder = shared("leaving", (): Holder => ({ listener: undefined }));

/** Has somebody told that this process has begun to end. */
export function whenLeaving(listener: (crashes: boolean) => void): void {
  holder.listener = listener;
}

/** This process has begun to end: it finishes what it has. @param crashes - it does so because of an exception */
export function leaves(crashes: boolean): void {
  const { listener } = holder;
  holder.listener = undefined;
  if (listener !== undefined) contain(undefined, () => listener(crashes));
}
