import type { Server } from "node:net";
import { nextTick } from "../clock.js";
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
  /** What the app finds of the pipe. */
  readonly #shown = new Map<string, unknown>();
  /** Tells the app that there is no pipe any more. */
  readonly #tellEnd: () => void;

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
    this.#tellEnd = () => void Reflect.apply(emit, process, ["disconnect"]);
    const asNode = <T>(run: () => T) => this.#asNode(run);
    const isConnected = () => this.#shown.get("connected") === true;
    const end = () => this.#end();
    function emitApart(this: NodeJS.Process, event: string | symbol, ...args: unknown[]): boolean {
      if (event === "internalMessage") {
        const isKnown = asNode(() => Reflect.apply(emit, this, [event, ...args]) as boolean);
        const [{ cmd, msg }, handle] = args as [{ cmd?: string; msg?: FromKeeper }, object | undefined];
        // Node tells the sender alone, which does not ask where it keeps its own.
        if (cmd === "NODE_HANDLE" && !handle && msg?.rayguard !== undefined)
          contain(undefined, () => received(msg, undefined));
        return isKnown;
      }
      // What it is told it has let go of, or has never had.
      const isHidden = !isConnected() && (event === "disconnect" || (event === "message" && hasParent));
      if (event === "disconnect") {
        contain(undefined, left);
        end();
      }
      const [message, socket] = args as [FromKeeper | null | undefined, { _handle?: object | null } | undefined];
      const isOurs = event === "message" && typeof message === "object" && message !== null && "rayguard" in message;
      if (!isOurs && !isHidden) return Reflect.apply(emit, this, [event, ...args]) as boolean;
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
    if (hasParent) {
      const { send, connected, channel } = process;
      for (const [name, value] of Object.entries({ send, connected, channel })) this.#shown.set(name, value);
      this.#shown.set("disconnect", this.#disconnectOver(process.disconnect as () => void));
    }
    this.#hide(hasParent);
  }

  /** The app lets go of the keeper's parent, and of nothing else. @param native - refuses that where it has been done */
  #disconnectOver(native: () => void): () => void {
    return () => {
      if (this.#shown.get("connected") !== true) return native.call(process);
      this.tell({ rayguard: "parted" });
      this.parentLeft();
    };
  }

  /** The keeper has no parent any more. */
  parentLeft(): void {
    if (this.#shown.get("connected") !== true) return;
    this.#end();
    nextTick(this.#tellEnd);
  }

  #end(): void {
    if (!this.#shown.has("connected")) return;
    this.#shown.set("connected", false);
    this.#shown.set("channel", null);
  }

  /** Has the app find of the pipe what is the keeper's parent's: where that has none, nothing, as if started by hand. */
  #hide(hasParent: boolean): void {
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
      const before = Object.getOwnPropertyDescriptor(process, name);
      Object.defineProperty(process, name, {
        configurable: true,
        enumerable: hasParent && before?.enumerable === true,
        get: () => (this.#isNode ? nodes : this.#shown.get(name)),
        set: (value: unknown) => {
          if (this.#isNode) nodes = value;
          else this.#shown.set(name, value);
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
