import type { Server } from "node:net";
import { contain } from "../containment.js";
import type { FromKeeper, ToKeeper } from "./messages.js";

/** What Node has for the pipe to the parent of a process. */
interface Control {
  ref(): void;
  unref(): void;
}

type Send = (message: unknown, handle?: Server, options?: object, sent?: (error: Error | null) => void) => boolean;

/** What a process has of a pipe to its parent, and only then. */
const OF_PIPE = ["send", "disconnect", "connected", "channel"] as const;

/**
 * The pipe to the keeper. The app does not see it: it has no messages that are not its own, no parent that the keeper has
 * not got, and lives no longer for it.
 */
export class Channel {
  readonly #send: Send;
  readonly #control: Control;
  /** Whose code is running: Node's own, which has to find all of it, or the app's. */
  #isNode = false;

  /**
   * @param received - what the keeper says; a connection comes as the handle libuv has of it, or without one where the
   *   process has no descriptor left
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
    const asNode = <T>(run: () => T) => this.#asNode(run);
    function emitApart(this: NodeJS.Process, event: string | symbol, ...args: unknown[]): boolean {
      if (event === "internalMessage") {
        const isKnown = asNode(() => Reflect.apply(emit, this, [event, ...args]) as boolean);
        const [{ cmd, msg }, handle] = args as [{ cmd?: string; msg?: FromKeeper }, object | undefined];
        // Node tells the sender alone, which does not ask where it keeps its own.
        if (cmd === "NODE_HANDLE" && !handle && msg?.rayguard !== undefined)
          contain(undefined, () => received(msg, undefined));
        return isKnown;
      }
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
    if (!hasParent) this.#hide();
  }

  /** Has the app find of the pipe what one that has been started by hand finds: nothing. */
  #hide(): void {
    const kHandle = Object.getOwnPropertySymbols(process).find(({ description }) => description === "kChannelHandle");
    const pipe =
      kHandle && (Reflect.get(process, kHandle) as { onread?: (this: object, ...args: unknown[]) => unknown });
    const below = pipe?.onread;
    if (pipe === undefined || below === undefined) return;
    const asNode = <T>(run: () => T) => this.#asNode(run);
    // At the end of the pipe it calls what is hidden.
    pipe.onread = function (this: object, ...args: unknown[]) {
      return asNode(() => Reflect.apply(below, this, args));
    };
    for (const name of OF_PIPE) {
      let nodes: unknown = process[name];
      let apps: unknown;
      Object.defineProperty(process, name, {
        configurable: true,
        enumerable: false,
        get: () => (this.#isNode ? nodes : apps),
        set: (value: unknown) => {
          if (this.#isNode) nodes = value;
          else apps = value;
        },
      });
    }
  }

  #asNode<T>(run: () => T): T {
    const before = this.#isNode;
    this.#isNode = true;
    try {
      return run();
    } finally {
      this.#isNode = before;
    }
  }

  /** @param sent - the message, and the handle, are with the kernel */
  tell(message: ToKeeper, server?: Server, sent?: () => void): void {
    this.#asNode(() => {
      if (!process.connected) return;
      this.#send(message, server, {}, (error) => {
        if (error === null) sent?.();
      });
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
