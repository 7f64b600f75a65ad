import type { Server } from "node:net";
import { contain } from "../containment.js";
import type { FromKeeper, ToKeeper } from "./messages.js";

/** What Node has for the pipe to the parent of a process. */
interface Control {
  ref(): void;
  unref(): void;
}

type Send = (message: unknown, handle?: Server, options?: object, sent?: (error: Error | null) => void) => boolean;

/**
 * The pipe to the keeper. The app does not see it: it has no messages that are not its own, no parent that the keeper has
 * not got, and lives no longer for it.
 */
export class Channel {
  readonly #send: Send;
  readonly #control: Control;

  /**
   * @param received - what the keeper says; a connection comes as the handle libuv has of it
   * @param left - the keeper is gone
   * @param hasParent - the keeper has a parent of its own, whose messages are the app's
   */
  constructor(
    received: (message: FromKeeper, handle: object | undefined) => void,
    left: () => void,
    hasParent: boolean,
  ) {
    this.#send = (process.send as Send).bind(process);
    this.#control = process.channel as unknown as Control;
    const { emit } = process;
    function emitApart(this: NodeJS.Process, event: string | symbol, ...args: unknown[]): boolean {
      if (event === "disconnect") contain(undefined, left);
      const [message, socket] = args as [FromKeeper | null | undefined, { _handle?: object | null } | undefined];
      const isOurs = event === "message" && typeof message === "object" && message !== null && "rayguard" in message;
      if (!isOurs && (hasParent || event !== "disconnect"))
        return Reflect.apply(emit, this, [event, ...args]) as boolean;
      if (!isOurs) return true;
      const handle = socket?._handle ?? undefined;
      if (socket !== undefined) socket._handle = null; // the server it is for makes a socket of its own
      contain(undefined, () => received(message, handle));
      return true;
    }
    process.emit = emitApart as typeof process.emit;
    // Node keeps messages back until somebody listens.
    process.on("message", () => undefined);
    this.#control.unref();
    if (!hasParent) {
      // What an app that has been started by hand finds.
      process.send = undefined as never;
      process.disconnect = undefined as never;
    }
  }

  /** @param sent - the message, and the handle, are with the kernel */
  tell(message: ToKeeper, server?: Server, sent?: () => void): void {
    if (!process.connected) return;
    this.#send(message, server, {}, (error) => {
      if (error === null) sent?.();
    });
  }

  /** Keeps the process alive, as a server that listens does. */
  ref(): void {
    this.#control.ref();
  }

  unref(): void {
    this.#control.unref();
  }
}
