import { type Slot, STATE } from "../recorder/slots.js";

/** Status of the answer in place of the one that a process cannot give any more. */
export const ANSWER_STATUS = 503;

/** What becomes of a connection whose worker is dead. */
export type Fate =
  /** Nothing has been read of its next request: the next worker takes it. */
  | { readonly becomes: "handed on" }
  /** A request waits, and nothing of a response is out: it gets a complete 503. */
  | { readonly becomes: "answered"; readonly slot: Slot }
  /** Part of a response may be out: it ends so that nobody takes that for all of it. */
  | {
      readonly becomes: "cut";
      readonly with: "FIN" | "RST";
      readonly slot: Slot;
    }
  /** Its last response is out, or may be anywhere: it ends. */
  | { readonly becomes: "ended"; readonly with: "FIN" | "RST" };

/**
 * Decides it from what the worker had written down before it did anything.
 * @param slots - those of this connection, in the order of their requests
 * @param isPartial - there may be more than was written down
 */
export function fateOf(slots: readonly Slot[], isPartial: boolean): Fate {
  if (slots.some(({ state }) => state === STATE.opaque)) return cut(slots[0] as Slot, "RST");
  const head = slots.find(({ state }) => state !== STATE.answered);
  // What an earlier response has left of its request comes first: whatever follows is not the start of a message.
  if (head === undefined) {
    if (slots.length === 0 && !isPartial) return { becomes: "handed on" };
    // Where something may be out that nobody knows of, FIN would look like its end.
    return { becomes: "ended", with: isPartial ? "RST" : "FIN" };
  }
  if (head.state === STATE.waiting) return { becomes: "answered", slot: head };
  return cut(head, head.isDelimited ? "FIN" : "RST");
}

function cut(slot: Slot, how: "FIN" | "RST"): Fate {
  return { becomes: "cut", with: how, slot };
}
