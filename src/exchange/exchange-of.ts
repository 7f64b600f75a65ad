import { Existing, shared } from "../shared.js";
import type { Exchange } from "./exchange.js";

/** What Node keeps of a connection: the response whose turn it is. */
interface Message {
  readonly outputData?: readonly unknown[];
  readonly socket?: { readonly _httpMessage?: object | null } | null;
}

/** What an exchange of HTTP/1.x has beside. */
interface Departing extends Exchange {
  readonly goneBy: unknown;
  readonly interims: unknown;
}

/** Methods of a response that the guard stands in front of. */
type Name =
  | "_storeHeader"
  | "_send"
  | "_writeRaw"
  | "_flushOutput"
  | "write"
  | "end"
  | "destroy"
  | "detachSocket"
  | "addTrailers"
  | "writeEarlyHints"
  | "writeInformation"
  | "emit";

type Methods = Readonly<Record<Name, (this: object, ...args: unknown[]) => unknown>>;

/** What they do to a response that has an exchange; `emit` returns undefined where the event goes on. */
type GuardedMethods = Readonly<Record<Name, (this: object, exchange: Exchange, ...args: unknown[]) => unknown>>;

/**
 * Hangs an exchange on a request or a response in a private field, where another copy of the package finds it as well.
 */
const Holder = shared(
  "exchange",
  () =>
    class Holder extends Existing {
      #exchange: Exchange;

      constructor(object: object, exchange: Exchange) {
        super(object);
        this.#exchange = exchange;
      }

      static hang(object: object, exchange: Exchange): void {
        if (#exchange in object) object.#exchange = exchange;
        else new Holder(object, exchange);
      }

      /** The same for both objects of a request, in one call. */
      static hangOnBoth(request: object, response: object, exchange: Exchange): void {
        if (#exchange in request) request.#exchange = exchange;
        else new Holder(request, exchange);
        if (#exchange in response) response.#exchange = exchange;
        else new Holder(response, exchange);
      }

      static get(object: object): Exchange | undefined {
        return #exchange in object ? object.#exchange : undefined;
      }

      /**
       * Makes the methods of responses that stand in front of others. Responses that no guard has seen, or whose call it has
       * seen already, go on to those; so do octets of an exchange that are being passed on. Each is written out, since V8
       * keeps what it learns of a call with its text: of one text for all of them it would learn nothing.
       * @param native - the others
       * @param watched - for exchanges that are only looked at
       */
      static overrides(native: Methods, guarded: GuardedMethods, watched: GuardedMethods): Methods {
        return {
          _storeHeader(this: object, a: unknown, b: unknown) {
            const exchange = #exchange in this ? this.#exchange : exchangeBehind(this);
            if (exchange?.hasNodeResponse && exchange.covered !== "_storeHeader")
              return (exchange.isWatched ? watched : guarded)._storeHeader.call(this, exchange, a, b);
            return native._storeHeader.call(this, a, b);
          },
          _send(this: object, a: unknown, b: unknown, c: unknown, d: unknown) {
            const exchange = #exchange in this ? this.#exchange : exchangeBehind(this);
            if (exchange?.hasNodeResponse && exchange.covered !== "_send" && !exchange.passing)
              return (exchange.isWatched ? watched : guarded)._send.call(this, exchange, a, b, c, d);
            return native._send.call(this, a, b, c, d);
          },
          _writeRaw(this: object, a: unknown, b: unknown, c: unknown, d: unknown) {
            const exchange = #exchange in this ? this.#exchange : exchangeBehind(this);
            if (exchange?.hasNodeResponse && exchange.covered !== "_writeRaw" && !exchange.passing)
              return (exchange.isWatched ? watched : guarded)._writeRaw.call(this, exchange, a, b, c, d);
            return native._writeRaw.call(this, a, b, c, d);
          },
          _flushOutput(this: object, a: unknown) {
            const exchange = #exchange in this ? this.#exchange : exchangeBehind(this);
            // Node asks each response whose turn it is, and hardly any has had to wait for that.
            const isEmpty = (this as Message).outputData?.length === 0 && (exchange as Departing)?.interims === null;
            if (exchange?.hasNodeResponse && exchange.covered !== "_flushOutput" && !isEmpty)
              return (exchange.isWatched ? watched : guarded)._flushOutput.call(this, exchange, a);
            return native._flushOutput.call(this, a);
          },
          write(this: object, a: unknown, b: unknown, c: unknown) {
            const exchange = #exchange in this ? this.#exchange : exchangeBehind(this);
            if (exchange?.hasNodeResponse && exchange.covered !== "write")
              return (exchange.isWatched ? watched : guarded).write.call(this, exchange, a, b, c);
            return native.write.call(this, a, b, c);
          },
          end(this: object, a: unknown, b: unknown, c: unknown) {
            const exchange = #exchange in this ? this.#exchange : exchangeBehind(this);
            if (exchange?.hasNodeResponse && exchange.covered !== "end")
              return (exchange.isWatched ? watched : guarded).end.call(this, exchange, a, b, c);
            return native.end.call(this, a, b, c);
          },
          destroy(this: object, a: unknown) {
            const exchange = #exchange in this ? this.#exchange : exchangeBehind(this);
            if (exchange?.hasNodeResponse && exchange.covered !== "destroy")
              return (exchange.isWatched ? watched : guarded).destroy.call(this, exchange, a);
            return native.destroy.call(this, a);
          },
          detachSocket(this: object, a: unknown) {
            const exchange = #exchange in this ? this.#exchange : exchangeBehind(this);
            if (exchange?.hasNodeResponse && exchange.covered !== "detachSocket")
              return (exchange.isWatched ? watched : guarded).detachSocket.call(this, exchange, a);
            return native.detachSocket.call(this, a);
          },
          addTrailers(this: object, a: unknown) {
            const exchange = #exchange in this ? this.#exchange : exchangeBehind(this);
            if (exchange?.hasNodeResponse && exchange.covered !== "addTrailers")
              return (exchange.isWatched ? watched : guarded).addTrailers.call(this, exchange, a);
            return native.addTrailers.call(this, a);
          },
          writeEarlyHints(this: object, a: unknown, b: unknown) {
            const exchange = #exchange in this ? this.#exchange : exchangeBehind(this);
            if (exchange?.hasNodeResponse && exchange.covered !== "writeEarlyHints")
              return (exchange.isWatched ? watched : guarded).writeEarlyHints.call(this, exchange, a, b);
            return native.writeEarlyHints.call(this, a, b);
          },
          writeInformation(this: object, a: unknown, b: unknown, c: unknown) {
            const exchange = #exchange in this ? this.#exchange : exchangeBehind(this);
            if (exchange?.hasNodeResponse && exchange.covered !== "writeInformation")
              return (exchange.isWatched ? watched : guarded).writeInformation.call(this, exchange, a, b, c);
            return native.writeInformation.call(this, a, b, c);
          },
          // Node calls it several times for each response, with nothing but the event: the arguments are not copied.
          emit(this: object, event: unknown, argument: unknown) {
            if (
              event === "finish" ||
              event === "prefinish" ||
              event === "close" ||
              event === "pipe" ||
              event === "error"
            ) {
              const exchange = #exchange in this ? this.#exchange : exchangeBehind(this);
              const isUsual =
                (event === "prefinish" && (exchange as Departing)?.goneBy === null) ||
                (event === "close" && exchange?.phase.isSettled);
              if (exchange?.hasNodeResponse && exchange.covered !== "emit" && !isUsual) {
                const emitted = (exchange.isWatched ? watched : guarded).emit.call(this, exchange, event, argument);
                if (emitted !== undefined) return emitted;
              }
            }
            // biome-ignore lint/complexity/noArguments: see above
            if (arguments.length === 1) return native.emit.call(this, event);
            // biome-ignore lint/complexity/noArguments: see above
            return Reflect.apply(native.emit, this, arguments as unknown as unknown[]);
          },
        };
      }
    },
);

/** Makes an exchange known as that of a request or a response. */
export const hangOn: (object: object, exchange: Exchange) => void = Holder.hang;

/** Makes it known as that of both. */
export const { hangOnBoth } = Holder;

/** The exchange of a request or a response, if a guard has seen it. */
export const exchangeOf: (object: object) => Exchange | undefined = Holder.get;

/** Makes methods that find the exchange of the response they are called on. */
export const { overrides } = Holder;

/** The exchange of a response on which a method is called. */
export function exchangeOfReceiver(response: object): Exchange | undefined {
  return Holder.get(response) ?? exchangeBehind(response);
}

/** That of a `Proxy` of a response, or an object that inherits from one: it has no private field of it, but the same socket. */
function exchangeBehind(response: object): Exchange | undefined {
  const message = (response as Message).socket?._httpMessage;
  return message === undefined || message === null || message === response ? undefined : Holder.get(message);
}
