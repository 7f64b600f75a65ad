export {
  type ExchangeOptions,
  type ExchangeRequest,
  type ExchangeResult,
  exchange,
  type Target,
} from "./exchange.js";
export type { ResponseEnd } from "./octet-stream.js";
export { parseResponse, parseResponses } from "./parse-response.js";
export type { Problem } from "./problems.js";
export type { InterimResponse, ParsedResponse } from "./response.js";
