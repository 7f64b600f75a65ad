import { AsyncResource } from "node:async_hooks";
import type { DeadlineQueue, Waiting } from "../exchange/deadline-queue.js";
import type { Admitter, Exchange } from "../exchange/exchange.js";

/** A place in the queue. What runs when its turn comes belongs to its own request, not to the one that made room. */
export class Ticket extends AsyncResource implements Waiting, Admitter {
  queue: DeadlineQueue | null = null;
  previous: Waiting | null = null;
  next: Waiting | null = null;
  dueAt = 0;

  constructor(
    readonly exchange: Exchange,
    readonly enter: () => void,
    readonly unseen: boolean,
  ) {
    super("RAYGUARD_QUEUED");
  }

  /** The client has gone, or a deadline has passed, before its turn came. */
  left(): void {
    this.queue?.remove(this);
  }
}
