export type { ResponseEnd } from "../parser/octet-stream.js";
export { parseResponse, parseResponses } from "../parser/parse-response.js";
export type { Problem } from "../parser/problems.js";
export type { InterimResponse, ParsedResponse } from "../parser/response.js";
export {
  type ExchangeOptions,
  type ExchangeRequest,
  type ExchangeResult,
  exchange,
  type Target,
} from "./exchange.js";
