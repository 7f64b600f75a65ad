/** What the adapters use beside the public interface. */

export type { AdapterGuard } from "./adapter-guard.js";
export { parseRay } from "./cloudflare/ray.js";
export { contained, containPromise } from "./containment.js";
export { belongsToDomain } from "./exchange/domain.js";
export type { Exchange } from "./exchange/exchange.js";
export { isLostWithContent, isRefusedOfError } from "./fallback/lost-content.js";
export { GuardCore } from "./guard-core.js";
export { NOT_IN_VALUE } from "./http/grammar.js";
export { anyExchangeOf as exchangeOf } from "./http1/connection/http1-exchange-of.js";
export { coverPrototypes } from "./http1/methods/prototypes.js";
export { validateHeaderName, validateHeaderValue } from "./node-http.js";
export { handlerError } from "./report/incidents.js";
export { MESSAGES } from "./report/log.js";
export { kObserve, type Observer } from "./report/observation.js";
export { leadsTo, searchInside } from "./server/first-contact.js";
