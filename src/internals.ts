/** What the adapters use beside the public interface. */
export { parseRay } from "./cloudflare/ray.js";
export { contained } from "./containment.js";
export type { Exchange } from "./exchange.js";
export { exchangeOf } from "./exchange-of.js";
export { isLostWithContent, isRefusedOfError } from "./fallback/lost-content.js";
export { leadsTo, searchInside } from "./first-contact.js";
export { GuardCore } from "./guard.js";
export { NOT_IN_VALUE } from "./http/grammar.js";
export { handlerError } from "./incidents.js";
export { Http1Exchange } from "./intercept/http1-exchange.js";
export { coverPrototypes } from "./intercept/layers.js";
export { MESSAGES } from "./log.js";
export { kObserve, type Observer } from "./observation.js";
