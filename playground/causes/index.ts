import { connectionCauses } from "./connection.js";
import { handlerCauses } from "./handler.js";
import { framingCauses, messageCauses } from "./message.js";

export type { Cause } from "./cause.js";

/** Every cause, in the order of the table. */
export const CAUSES = [...connectionCauses, ...messageCauses, ...framingCauses, ...handlerCauses];
