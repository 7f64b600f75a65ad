import type { Exchange } from "./exchange.js";
import { Existing, shared } from "./shared.js";

/** What Node keeps of a connection: the response whose turn it is. */
interface Message {
  readonly socket?: { readonly _httpMessage?: object | null } | null;
}

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

      static get(object: object): Exchange | undefined {
        return #exchange in object ? object.#exchange : undefined;
      }
    },
);

/** Makes an exchange known as that of a request or a response. */
export const hangOn: (object: object, exchange: Exchange) => void = Holder.hang;

/** The exchange of a request or a response, if a guard has seen it. */
export const exchangeOf: (object: object) => Exchange | undefined = Holder.get;

/**
 * The exchange of a response on which a method is called. A `Proxy` of a response, or an object that inherits from one,
 * has no private field of it, but the same socket.
 */
export function exchangeOfReceiver(response: object): Exchange | undefined {
  const exchange = Holder.get(response);
  if (exchange !== undefined) return exchange;
  const message = (response as Message).socket?._httpMessage;
  return message === undefined || message === null || message === response ? undefined : Holder.get(message);
}
