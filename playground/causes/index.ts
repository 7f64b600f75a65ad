import { connectionCauses } from "./connection.js";
import { handlerCauses, lateCauses } from "./handler.js";
import { framingCauses, messageCauses } from "./message.js";
import { processCauses } from "./process.js";

export type { Cause } from "./cause.js";

/** Every cause of the table in the terminal, in its order. */
export const CAUSES = [...connectionCauses, ...messageCauses, ...framingCauses, ...handlerCauses, ...lateCauses];

/** Those, and the ones that only the page shows: every origin server has a route for each. */
export const ALL_CAUSES = [...CAUSES, ...processCauses];
