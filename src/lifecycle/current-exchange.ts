import { AsyncLocalStorage } from "node:async_hooks";
import type { Exchange } from "../exchange.js";

/**
 * Which request the running code belongs to. Entered once for each request, not run around its listener: the store then
 * also holds in the callbacks of the parser, such as `end` of the request.
 */
export const currentExchange = new AsyncLocalStorage<Exchange>();
