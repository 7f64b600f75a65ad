import { Existing, shared } from "../shared.js";
import type { Exchange } from "./exchange.js";

/** What Node keeps of a connection: the response whose turn it is. */
interface Message {
  readonly socket?: { readonly _httpMessage?: object | null } | null;
}

type Method = (this: object, ...args: unknown[]) => unknown;

/** What a method does to a response that has an exchange. */
type Guarded = (this: object, exchange: Exchange, ...args: unknown[]) => unknown;

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
       * Makes a method of responses that stands in front of another. Responses that no guard has seen, or whose call it has
       * seen already, go on to that.
       * @param native - holds the other one under its name
       * @param isPassed - so do those of an exchange whose octets are being passed on
       */
      static standInFront(
        native: Readonly<Record<string, Method>>,
        name: string,
        guarded: Guarded,
        isPassed: boolean,
      ): Method {
        return function (this: object, a?: unknown, b?: unknown, c?: unknown, d?: unknown): unknown {
          const exchange = #exchange in this ? this.#exchange : exchangeBehind(this);
          if (exchange?.isHttp1 && exchange.covered !== name && !(isPassed && exchange.passing))
            return guarded.call(this, exchange, a, b, c, d);
          return (native[name] as Method).call(this, a, b, c, d);
        };
      }

      /**
       * The same for `emit`, whose arguments are forwarded without a copy: Node calls it several times for each response.
       * @param heard - events that are looked at, others go on
       * @param hear - returns what `emit` does; undefined where the event goes on
       */
      static standBeforeEmit(native: { readonly emit: Method }, heard: ReadonlySet<unknown>, hear: Guarded): Method {
        return function emit(this: object, event: unknown, argument?: unknown): unknown {
          if (heard.has(event)) {
            const exchange = #exchange in this ? this.#exchange : exchangeBehind(this);
            if (exchange?.isHttp1 && exchange.covered !== "emit") {
              const emitted = hear.call(this, exchange, event, argument);
              if (emitted !== undefined) return emitted;
            }
          }
          // biome-ignore lint/complexity/noArguments: see above
          return Reflect.apply(native.emit, this, arguments as unknown as unknown[]);
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

/** Make methods that find the exchange of the response they are called on. */
export const { standInFront, standBeforeEmit } = Holder;

/** The exchange of a response on which a method is called. */
export function exchangeOfReceiver(response: object): Exchange | undefined {
  return Holder.get(response) ?? exchangeBehind(response);
}

/** That of a `Proxy` of a response, or an object that inherits from one: it has no private field of it, but the same socket. */
function exchangeBehind(response: object): Exchange | undefined {
  const message = (response as Message).socket?._httpMessage;
  return message === undefined || message === null || message === response ? undefined : Holder.get(message);
}
