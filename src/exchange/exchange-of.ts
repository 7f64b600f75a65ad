import { Existing, shared } from "../shared.js";
import type { Exchange } from "./exchange.js";

/** Hangs an exchange on an object in a private field, where another copy of the package finds it as well. */
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

/** Makes an exchange known as that of a request, a response or a stream. */
export const hangOn: (object: object, exchange: Exchange) => void = Holder.hang;

/** The exchange that was hung on an object; those of HTTP/1.x hang in another way (`http1/connection/http1-exchange-of.ts`). */
export const exchangeOf: (object: object) => Exchange | undefined = Holder.get;
