/** What the adapters use beside the public interface. */
import { type Exchange, kExchange } from "./exchange.js";

export { parseRay } from "./cloudflare/ray.js";
export type { Exchange } from "./exchange.js";
export { isLostWithContent } from "./fallback/lost-content.js";
export { GuardCore } from "./guard.js";
export { handlerError } from "./incidents.js";
export { Http1Exchange } from "./intercept/http1-exchange.js";
export { layOverPrototypes } from "./intercept/layers.js";
export { MESSAGES } from "./log.js";
export { kObserve, type Observer } from "./observation.js";

/** The exchange of a response, if a guard has seen it. */
export function exchangeOf(response: object): Exchange | undefined {
  return (response as { [kExchange]?: Exchange })[kExchange];
}
