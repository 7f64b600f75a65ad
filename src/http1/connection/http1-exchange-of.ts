import type { Exchange } from "../../exchange/exchange.js";
import { exchangeOf } from "../../exchange/exchange-of.js";
import { Existing, shared } from "../../shared.js";
import type { ResponseMethod } from "../node/native-methods.js";

/** What is asked here of an exchange over HTTP/1.x. */
interface OverHttp1 extends Exchange {
  readonly response: object;
  readonly goneBy: unknown;
  readonly isDetached: boolean;
  readonly interims: unknown;
  finishing: boolean;
  flushed(): void;
}

/** What Node keeps of a response. */
interface Message {
  readonly req?: unknown;
  readonly outputData?: readonly unknown[];
}

type Method = (this: object, ...args: unknown[]) => unknown;
type Methods = Readonly<Record<ResponseMethod, Method>>;

/** What they do to a response that has an exchange; `emit` returns undefined where the event goes on. */
type GuardedMethods = Readonly<
  Record<ResponseMethod, (this: object, exchange: OverHttp1, ...args: unknown[]) => unknown>
>;

/** Finds an exchange in another way than by the object itself. */
type Behind = (object: object) => OverHttp1 | undefined;

/**
 * Hangs an exchange over HTTP/1.x on its request, in a private field, where another copy of the package finds it as well.
 * A response has it where its own request does: one object to mark for each. Where a response has no such request, since
 * an app has put another in its place, it is marked itself.
 */
const Holder = shared(
  "http1 exchange",
  () =>
    class Holder extends Existing {
      #exchange: OverHttp1;

      constructor(object: object, exchange: OverHttp1) {
        super(object);
        this.#exchange = exchange;
      }

      static hang(object: object, exchange: OverHttp1): void {
        if (!(#exchange in object)) {
          new Holder(object, exchange);
          return;
        }
        // An app hands a request that has its response already to a server again, with another one.
        const before = object.#exchange;
        object.#exchange = exchange;
        if (before.response !== exchange.response) Holder.hang(before.response, before);
      }

      static get(object: object): Exchange | undefined {
        if (#exchange in object) return object.#exchange;
        const { req } = object as Message;
        const known = typeof req === "object" && req !== null && #exchange in req ? req.#exchange : undefined;
        return known?.response === object ? known : exchangeOf(object);
      }

      /**
       * Makes methods of responses that override others. Responses that no guard has seen, or whose call it has
       * seen already, go on to those; so do octets of an exchange that are being passed on. Each is written out, since V8
       * keeps what it learns of a call with its text: of one text for all of them it would learn nothing.
       * @param native - the others
       * @param watched - for exchanges that are only looked at
       * @param behind - for a response that has no request of its own with an exchange
       */
      static overrides(native: Methods, guarded: GuardedMethods, watched: GuardedMethods, behind: Behind): Methods {
        return {
          _storeHeader(this: object, a: unknown, b: unknown) {
            const { req } = this as Message;
            const known = typeof req === "object" && req !== null && #exchange in req ? req.#exchange : undefined;
            const exchange = known?.response === this ? known : behind(this);
            if (exchange !== undefined && exchange.covered !== "_storeHeader")
              return (exchange.isWatched ? watched : guarded)._storeHeader.call(this, exchange, a, b);
            return native._storeHeader.call(this, a, b);
          },
          _send(this: object, a: unknown, b: unknown, c: unknown, d: unknown) {
            const { req } = this as Message;
            const known = typeof req === "object" && req !== null && #exchange in req ? req.#exchange : undefined;
            const exchange = known?.response === this ? known : behind(this);
            if (exchange !== undefined && exchange.covered !== "_send" && !exchange.passing)
              return (exchange.isWatched ? watched : guarded)._send.call(this, exchange, a, b, c, d);
            return native._send.call(this, a, b, c, d);
          },
          _writeRaw(this: object, a: unknown, b: unknown, c: unknown, d: unknown) {
            const { req } = this as Message;
            const known = typeof req === "object" && req !== null && #exchange in req ? req.#exchange : undefined;
            const exchange = known?.response === this ? known : behind(this);
            if (exchange !== undefined && exchange.covered !== "_writeRaw" && !exchange.passing)
              return (exchange.isWatched ? watched : guarded)._writeRaw.call(this, exchange, a, b, c, d);
            return native._writeRaw.call(this, a, b, c, d);
          },
          _flushOutput(this: object, a: unknown) {
            const { req } = this as Message;
            const known = typeof req === "object" && req !== null && #exchange in req ? req.#exchange : undefined;
            const exchange = known?.response === this ? known : behind(this);
            // Node asks each response whose turn it is, and hardly any has had to wait for that.
            const isUsual =
              exchange?.interims === null && (exchange.passing || (this as Message).outputData?.length === 0);
            if (exchange !== undefined && exchange.covered !== "_flushOutput" && !isUsual)
              return (exchange.isWatched ? watched : guarded)._flushOutput.call(this, exchange, a);
            return native._flushOutput.call(this, a);
          },
          write(this: object, a: unknown, b: unknown, c: unknown) {
            const { req } = this as Message;
            const known = typeof req === "object" && req !== null && #exchange in req ? req.#exchange : undefined;
            const exchange = known?.response === this ? known : behind(this);
            if (exchange !== undefined && exchange.covered !== "write")
              return (exchange.isWatched ? watched : guarded).write.call(this, exchange, a, b, c);
            return native.write.call(this, a, b, c);
          },
          end(this: object, a: unknown, b: unknown, c: unknown) {
            const { req } = this as Message;
            const known = typeof req === "object" && req !== null && #exchange in req ? req.#exchange : undefined;
            const exchange = known?.response === this ? known : behind(this);
            if (exchange !== undefined && exchange.covered !== "end")
              return (exchange.isWatched ? watched : guarded).end.call(this, exchange, a, b, c);
            return native.end.call(this, a, b, c);
          },
          destroy: Holder.rare("destroy", native, guarded, watched, behind),
          detachSocket(this: object, a: unknown) {
            const { req } = this as Message;
            const known = typeof req === "object" && req !== null && #exchange in req ? req.#exchange : undefined;
            const exchange = known?.response === this ? known : behind(this);
            if (exchange !== undefined && exchange.covered !== "detachSocket")
              return (exchange.isWatched ? watched : guarded).detachSocket.call(this, exchange, a);
            return native.detachSocket.call(this, a);
          },
          addTrailers: Holder.rare("addTrailers", native, guarded, watched, behind),
          writeEarlyHints: Holder.rare("writeEarlyHints", native, guarded, watched, behind),
          writeInformation: Holder.rare("writeInformation", native, guarded, watched, behind),
          // Node calls it several times for each response, with nothing but the event: the arguments are not copied.
          emit(this: object, event: unknown, argument: unknown) {
            if (
              event === "finish" ||
              event === "prefinish" ||
              event === "close" ||
              event === "pipe" ||
              event === "error" ||
              event === "socket"
            ) {
              const { req } = this as Message;
              const known = typeof req === "object" && req !== null && #exchange in req ? req.#exchange : undefined;
              const exchange = known?.response === this ? known : behind(this);
              if (exchange !== undefined && exchange.covered !== "emit") {
                const isUsual =
                  ((event === "prefinish" || event === "finish") && exchange.goneBy === null) ||
                  (event === "close" && exchange.phase.isSettled) ||
                  (event === "socket" && !exchange.isDetached);
                if (event === "finish") exchange.finishing = true;
                if (!isUsual) {
                  const emitted = (exchange.isWatched ? watched : guarded).emit.call(this, exchange, event, argument);
                  if (emitted !== undefined) return emitted;
                }
                if (event === "finish") {
                  const emitted = native.emit.call(this, event);
                  // Node has detached the socket, past an override that is no longer asked.
                  if (!exchange.phase.isSettled) exchange.flushed();
                  return emitted;
                }
              }
            }
            // biome-ignore lint/complexity/noArguments: see above
            if (arguments.length === 1) return native.emit.call(this, event);
            // biome-ignore lint/complexity/noArguments: see above
            return Reflect.apply(native.emit, this, arguments as unknown as unknown[]);
          },
        };
      }

      /** One of those that are hardly ever called, so that one text does for all of them. */
      static rare(
        name: ResponseMethod,
        native: Methods,
        guarded: GuardedMethods,
        watched: GuardedMethods,
        behind: Behind,
      ): Method {
        return function (this: object, ...args) {
          const { req } = this as Message;
          const known = typeof req === "object" && req !== null && #exchange in req ? req.#exchange : undefined;
          const exchange = known?.response === this ? known : behind(this);
          if (exchange === undefined || exchange.covered === name) return native[name].apply(this, args);
          return (exchange.isWatched ? watched : guarded)[name].call(this, exchange, ...args);
        };
      }

      /**
       * Makes a `destroy` of requests that overrides another.
       * @param guarded - what it does to a request that has an exchange
       */
      static destroyOf(
        native: { readonly destroy: Method },
        guarded: (request: object, exchange: OverHttp1, error: unknown) => unknown,
        behind: Behind,
      ): Method {
        return function destroy(this: object, error: unknown) {
          const exchange = #exchange in this ? this.#exchange : behind(this);
          if (exchange === undefined) return native.destroy.call(this, error);
          const { complete, readableEnded } = this as { complete?: boolean; readableEnded?: boolean };
          // Read to its end, behind its response: this is the stream cleaning up after itself.
          if (exchange.phase.isSettled && complete && readableEnded) return native.destroy.call(this, error);
          return guarded(this, exchange, error);
        };
      }
    },
);

/** Makes an exchange known as that of its request, and so of its response. */
export const { hang: hangOverHttp1, overrides, destroyOf } = Holder;

/** The exchange of a request, a response or a stream of any protocol, if a guard has seen it. */
export const anyExchangeOf: (object: object) => Exchange | undefined = Holder.get;
